//! How long the lists take beside a large history.
//!
//! `cargo bench --bench lists -- [JOBS] [EXECUTIONS]` prints the median and the
//! longest of 15 calls.

mod history;

use history::{Failure, time};
use horolog::model::execution::ExecutionStatus;
use horolog::model::job::JobState;
use horolog::model::lists::{ExecutionFilter, JobFilter, JobOrder, LastOutcome};
use horolog::model::outcomes::OutcomeAxis;
use horolog::store::Store;
use horolog::store::jobs::job_rows::JobParts;
use horolog::store::queries::changes::ExecutionsSeen;
use horolog::store::queries::execution_search::ExecutionSearch;
use horolog::store::queries::executions::ExecutionTexts;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    history::beside(async |store, _| measure(store).await).await
}

#[expect(clippy::too_many_lines, reason = "one benchmark for each list")]
async fn measure(store: Store) -> Result<(), Failure> {
    let all = JobFilter::default();
    for order in [
        JobOrder::Newest,
        JobOrder::Oldest,
        JobOrder::Name,
        JobOrder::NextFireTime,
    ] {
        time(&format!("jobs by {order}"), async || {
            store
                .job_page(&all, order, None, 50, JobParts::All)
                .await
                .map(drop)
        })
        .await?;
    }
    let with = |search: &str| JobFilter {
        search: Some(search.to_owned()),
        ..JobFilter::default()
    };
    let tagged = JobFilter {
        tags: vec!["team-7".to_owned()],
        ..JobFilter::default()
    };
    let state = |state| JobFilter {
        states: Some(vec![state]),
        ..JobFilter::default()
    };
    let outcome = |status| JobFilter {
        last_outcomes: Some(vec![LastOutcome::Is(status)]),
        ..JobFilter::default()
    };
    for (name, filter) in [
        ("jobs searched by a common part", with("JOB 9")),
        ("jobs searched by what no job has", with("nowhere")),
        ("jobs by tag", tagged),
        ("jobs that fail", state(JobState::Failing)),
        ("jobs that wait", state(JobState::Waiting)),
        ("jobs that have ended", state(JobState::Ended)),
        ("jobs that failed last", outcome(ExecutionStatus::Failed)),
        (
            "jobs that succeeded last",
            outcome(ExecutionStatus::Success),
        ),
        ("jobs that run", outcome(ExecutionStatus::Running)),
    ] {
        time(name, async || {
            store
                .job_page(&filter, JobOrder::Newest, None, 50, JobParts::All)
                .await
                .map(drop)
        })
        .await?;
        time(&format!("{name}: count"), async || {
            store.job_count(&filter).await.map(drop)
        })
        .await?;
    }
    time("count of all jobs", async || {
        store.job_count(&all).await.map(drop)
    })
    .await?;
    time("tags", async || store.tags(1_000).await.map(drop)).await?;
    let page = store
        .job_page(&all, JobOrder::Newest, None, 50, JobParts::All)
        .await?;
    let ids: Vec<_> = page.rows.iter().map(|(_, job)| job.id).collect();
    time("the last 20 executions of 50 jobs", async || {
        store
            .first_pages(&ids, 20, ExecutionTexts::None)
            .await
            .map(drop)
    })
    .await?;
    time("what 50 jobs have in flight", async || {
        store.in_flight(&ids).await.map(drop)
    })
    .await?;

    let of = |filter: ExecutionFilter| filter;
    let status = |status| {
        of(ExecutionFilter {
            statuses: Some(vec![status]),
            ..ExecutionFilter::default()
        })
    };
    for (name, filter) in [
        ("executions", ExecutionFilter::default()),
        (
            "executions of a job",
            of(ExecutionFilter {
                job_id: ids.first().copied(),
                ..ExecutionFilter::default()
            }),
        ),
        ("executions that failed", status(ExecutionStatus::Failed)),
        ("executions that run", status(ExecutionStatus::Running)),
        (
            "executions that were lost (there are none)",
            status(ExecutionStatus::Lost),
        ),
        (
            "executions on a node that there is not",
            of(ExecutionFilter {
                node_id: ids.first().copied(),
                ..ExecutionFilter::default()
            }),
        ),
    ] {
        time(name, async || {
            store
                .execution_page(&filter, None, 50, ExecutionTexts::All)
                .await
                .map(drop)
        })
        .await?;
    }
    for (name, text, outputs) in [
        ("executions searched by a common error", "REFUSED", false),
        ("executions searched by what no error has", "nowhere", false),
        (
            "executions searched by the name of a job",
            "Job 4711",
            false,
        ),
        (
            "executions searched by a part of most names",
            "job 9",
            false,
        ),
        ("executions searched by what no output has", "nowhere", true),
    ] {
        let search = ExecutionSearch { text, outputs };
        let any = ExecutionFilter::default();
        time(name, async || {
            store
                .execution_search(search, &any, None, 50, ExecutionTexts::None)
                .await
                .map(drop)
        })
        .await?;
    }
    let day = OutcomeAxis::new(1_440, 48)?;
    time("outcomes of 40 jobs over a day", async || {
        store.recent_outcomes(&ids[..40], day).await.map(drop)
    })
    .await?;
    let mut seen = ExecutionsSeen::default();
    time("what has changed", async || {
        store.changed_executions(&mut seen).await.map(drop)
    })
    .await?;
    Ok(())
}

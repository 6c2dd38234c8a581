//! The requests of a flood: families of dear requests, each a ladder from the dearest request to a
//! cheap one.
//!
//! The dearest rungs brought nodes down before the API had limits. A request that a later version
//! refuses costs its client one request, and the next rung is tried.

use serde_json::json;
use uuid::Uuid;

/// A family of requests that are dear for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Lists nested in lists.
    Lists,
    /// Aliases of one job, each with a thousand fire times.
    Aliases,
    /// Previews of long backfills.
    Previews,
    /// The fire times of all jobs in a week.
    Upcoming,
    /// Jobs with their payloads.
    Payloads,
    /// Pages that no index finds.
    Scans,
    /// Fragments that spread fragments.
    Deep,
    /// Bodies that never end.
    HalfBodies,
    /// Sockets with subscriptions, half of them unread.
    Sockets,
}

impl Family {
    /// All families of requests.
    pub const ALL: [Self; 9] = [
        Self::Lists,
        Self::Aliases,
        Self::Previews,
        Self::Upcoming,
        Self::Payloads,
        Self::Scans,
        Self::Deep,
        Self::HalfBodies,
        Self::Sockets,
    ];
}

/// One request of a ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rung {
    /// Short name of the request.
    pub(super) name: String,
    /// The body of the POST.
    pub(super) body: String,
}

/// A family's requests, the dearest first. Sockets and half bodies have none.
#[derive(Debug)]
pub(super) struct Ladder {
    /// The family of the ladder.
    pub(super) family: Family,
    rungs: Vec<Rung>,
    at: usize,
}

impl Ladder {
    /// A ladder whose requests ask about `job`.
    pub(super) fn of(family: Family, job: Uuid) -> Self {
        let rungs = match family {
            Family::Lists => lists(),
            Family::Aliases => repeated(&[490, 240, 100, 50, 20, 10, 5, 1], &aliased(job)),
            // A whole day of a job that fires each second.
            Family::Previews => {
                let day = r#"from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z""#;
                repeated(
                    &[19, 10, 5, 2, 1],
                    &format!("previewBackfill(id: \"{job}\", {day}) {{ count fireTimes }}"),
                )
            }
            Family::Upcoming => [
                repeated(&[9, 4, 2, 1], "upcoming(hours: 168) { jobs buckets }"),
                repeated(&[4, 1], "upcoming(hours: 24) { jobs buckets }"),
            ]
            .concat(),
            Family::Payloads => [
                repeated(&[19, 8, 4, 2, 1], "jobs { id payload }"),
                repeated(&[4, 1], "jobsPage(first: 200) { nodes { id payload } }"),
                repeated(&[1], "jobsPage(first: 20) { nodes { id payload } }"),
            ]
            .concat(),
            Family::Scans => [
                repeated(
                    &[45, 20, 9, 4, 1],
                    "executionsPage(first: 200, filter: {reason: [\"CRASH_LOOP\"]}) { \
                     nodes { id output } totalCount }",
                ),
                repeated(
                    &[1],
                    "executionsPage(first: 200, filter: {reason: [\"CRASH_LOOP\"]}) { \
                     nodes { id } }",
                ),
                repeated(
                    &[1],
                    "jobsPage(first: 50, filter: {search: \"no such name\"}) { nodes { id } }",
                ),
            ]
            .concat(),
            Family::Deep => deep(),
            Family::HalfBodies | Family::Sockets => Vec::new(),
        };
        Self {
            family,
            rungs,
            at: 0,
        }
    }

    /// The dearest request that was not refused so far.
    pub(super) fn current(&self) -> Option<&Rung> {
        self.rungs.get(self.at)
    }

    /// The current request was refused. The cheapest one stays.
    pub(super) fn descend(&mut self) {
        self.at = (self.at + 1).min(self.rungs.len().saturating_sub(1));
    }
}

fn lists() -> Vec<Rung> {
    // Without pages the outer list has all jobs: the dearest requests.
    let whole = [200, 50, 10, 1].map(|inner| {
        rung(
            format!("jobs × executions(first: {inner})"),
            &format!("{{ jobs {{ id executions(first: {inner}) {{ nodes {{ id status }} }} }} }}"),
        )
    });
    let pages = [
        (200, 200),
        (200, 50),
        (200, 10),
        (50, 50),
        (50, 10),
        (20, 20),
        (20, 5),
        (10, 2),
        (5, 1),
    ];
    let pages = pages.map(|(outer, inner)| {
        let query = format!(
            "{{ jobsPage(first: {outer}) {{ nodes {{ id \
             executions(first: {inner}) {{ nodes {{ id status }} }} }} }} }}"
        );
        rung(
            format!("jobsPage(first: {outer}) × executions(first: {inner})"),
            &query,
        )
    });
    let last = rung(
        "jobsPage(first: 50)".to_owned(),
        "{ jobsPage(first: 50) { nodes { id } } }",
    );
    whole.into_iter().chain(pages).chain([last]).collect()
}

fn aliased(job: Uuid) -> String {
    format!("job(id: \"{job}\") {{ id name }}")
}

/// Levels of fragments: each spreads the next one ten times.
fn deep() -> Vec<Rung> {
    let bare = rung("cluster".to_owned(), "{ cluster { version } }");
    [5, 4, 3, 2, 1]
        .map(spread)
        .into_iter()
        .chain([bare])
        .collect()
}

fn spread(levels: usize) -> Rung {
    let mut definitions = vec!["query { ...f0 }".to_owned()];
    for level in 0..levels {
        let next = format!("...f{} ", level + 1).repeat(10);
        definitions.push(format!("fragment f{level} on Query {{ {next}}}"));
    }
    definitions.push(format!("fragment f{levels} on Query {{ __typename }}"));
    rung(
        format!("fragments, {levels} levels of ten"),
        &definitions.join(" "),
    )
}

/// One field under a number of aliases.
fn repeated(amounts: &[usize], field: &str) -> Vec<Rung> {
    let mut rungs = Vec::with_capacity(amounts.len());
    for amount in amounts {
        let aliases: Vec<String> = (0..*amount)
            .map(|number| format!("a{number}: {field}"))
            .collect();
        let query = format!("{{ {} }}", aliases.join(" "));
        rungs.push(rung(format!("{amount} × {field}"), &query));
    }
    rungs
}

fn rung(name: String, query: &str) -> Rung {
    Rung {
        name,
        body: json!({"query": query}).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_ends_in_a_request_that_any_limit_lets_through() {
        for family in Family::ALL {
            let mut ladder = Ladder::of(family, Uuid::nil());
            let mut longest = usize::MAX;
            for _ in 0..30 {
                longest = ladder
                    .current()
                    .map_or(0, |rung| rung.body.len().min(longest));
                ladder.descend();
            }
            assert!(longest < 250, "{family:?} ends with {longest} bytes");
        }
    }
}

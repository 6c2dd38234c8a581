//! What a query costs, before anything of it is done.
//!
//! The unit is one field of one row: some 2 µs of the node and its database together. Each list
//! counts with the most rows that it can have, whatever it has, except `jobs`: if a query is too
//! dear with 1,000 of them, it counts with those that there are. A field without a cost of its own
//! counts 1 and what is selected of it.
//!
//! | what                                   | cost                                  | why, on two cores |
//! |----------------------------------------|---------------------------------------|-------------------|
//! | a statement                            | [`STATEMENT`]                         | 0.2 ms |
//! | a row of a list                        | [`ROW`] and its fields                | read, mapped, ordered |
//! | what is read of all jobs at once       | [`BATCHED`] for each                  | one statement for all jobs of an answer |
//! | newest executions, of all jobs at once | [`NEWEST`] for each job and the rows  | 0.1 ms: a look into each day of the log |
//! | a search that no index serves          | [`SEARCH`]                            | 15 to 30 ms: it looks through up to 20,000 rows |
//! | fire times of a schedule               | [`FIRE_TIMES`], [`FIRE_TIME`] each    | 5 to 10 µs of arithmetic; more where closures lie between |
//! | `upcoming`                             | [`PLAN`] and [`PLAN_HOUR`] an hour    | 110 ms for a week of 1,000 jobs |
//! | `previewBackfill`, `backfillJob`       | [`BACKFILL`]                          | 300 ms for 100,000 fire times |
//! | a command                              | [`COMMAND`]                           | a transaction with its commit |
//! | a command about many jobs or executions | [`COMMAND_ABOUT_MANY`]               | up to 1,000 rows at a time |

use super::queries::LIST_MAX;
use std::cell::Cell;

/// Most that one request may cost: some 0.2 s.
pub const COST_MAX: usize = 100_000;

/// A statement.
pub const STATEMENT: usize = 100;
/// A row, besides its fields.
pub const ROW: usize = 5;
/// What is read of all jobs of an answer at once, for one of them.
pub const BATCHED: usize = 5;
/// The newest executions of a job, read with those of the other jobs of the answer.
pub const NEWEST: usize = 50;
/// A search that no index serves.
pub const SEARCH: usize = 5_000;
/// A fire time that is worked out.
pub const FIRE_TIME: usize = 5;
/// A list of them, whatever does not run between them.
pub const FIRE_TIMES: usize = 1_000;
/// Fire times of all jobs.
pub const PLAN: usize = 10_000;
/// The same, for each hour.
pub const PLAN_HOUR: usize = 400;
/// A backfill, previewed or begun.
pub const BACKFILL: usize = 60_000;
/// A transaction.
pub const COMMAND: usize = 1_000;
/// Transactions about many jobs or executions.
pub const COMMAND_ABOUT_MANY: usize = 20_000;

/// A command about one job, and about its executions as well.
pub fn command(is_about_executions: bool) -> usize {
    if is_about_executions {
        COMMAND_ABOUT_MANY
    } else {
        COMMAND
    }
}

/// A list of at most `bound` rows, of each of which `fields` are asked for.
pub fn list(bound: usize, fields: usize) -> usize {
    STATEMENT.saturating_add(rows(bound, fields))
}

/// Rows that are there already, or come with others.
pub fn rows(bound: usize, fields: usize) -> usize {
    bound.saturating_mul(fields.saturating_add(ROW))
}

/// A page of a list, `first` rows or the default; with a filter it is searched for.
pub fn page(first: Option<i32>, is_filtered: bool, fields: usize) -> usize {
    let first = bound(
        first,
        super::lists::PAGE_DEFAULT,
        crate::model::lists::PAGE_MAX,
    );
    let search = if is_filtered { SEARCH } else { 5 * STATEMENT };
    search.saturating_add(rows(first, fields))
}

/// The first page of a list, read with those of the other jobs of the answer.
pub fn first_page(first: Option<i32>, fields: usize) -> usize {
    NEWEST.saturating_add(rows(
        bound(
            first,
            super::lists::PAGE_DEFAULT,
            crate::model::lists::PAGE_MAX,
        ),
        fields,
    ))
}

tokio::task_local! {
    /// What one job costs in each `jobs` of the query whose cost is worked out.
    static OF_EACH_JOB: Cell<usize>;
}

/// All jobs, with the most rows that there can be.
pub fn jobs(fields: usize) -> usize {
    let add = |sum: &Cell<usize>| sum.set(sum.get().saturating_add(rows(1, fields)));
    OF_EACH_JOB.try_with(add).ok(); // outside of a validation nothing asks for it
    list(LIST_MAX as usize, fields)
}

/// Works a cost out, and what of it each job makes: the cost with fewer jobs is that much less.
pub async fn with_cost_of_each_job<T>(validation: impl Future<Output = T>) -> (T, usize) {
    OF_EACH_JOB
        .scope(Cell::new(0), async {
            (validation.await, OF_EACH_JOB.with(Cell::get))
        })
        .await
}

/// The number of rows that an argument asks for.
pub fn bound(asked: Option<i32>, default: i32, max: usize) -> usize {
    usize::try_from(asked.unwrap_or(default))
        .unwrap_or(0)
        .min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_multiply_and_never_overflow() {
        assert_eq!(list(1_000, 2), 100 + 1_000 * 7);
        assert_eq!(page(Some(10), false, 3), 500 + 10 * 8);
        assert_eq!(page(None, true, 3), 5_000 + 50 * 8);
        assert_eq!(page(Some(i32::MAX), false, 0), 500 + 200 * ROW);
        assert_eq!(page(Some(-1), false, 3), 500);
        assert_eq!(list(usize::MAX, usize::MAX), usize::MAX);
    }

    #[tokio::test]
    async fn what_each_job_costs_is_known_of_all_lists_of_jobs() {
        let (cost, of_each) = with_cost_of_each_job(async { jobs(2) + jobs(3) }).await;
        assert_eq!((cost, of_each), (2 * STATEMENT + 1_000 * 15, 15));
        assert_eq!(with_cost_of_each_job(async { list(1_000, 2) }).await.1, 0);
    }
}

//! The cost of a query, calculated before its execution.
//!
//! The unit is one field of one row: about 2 µs of the node and its database together. A list
//! counts with its maximal number of rows, whatever it returns. The exception is `jobs`: if a query
//! is too expensive with 1,000 jobs, it counts with the present number. A field without a cost of
//! its own counts 1 plus its selections.
//!
//! Measured on two cores:
//!
//! - [`STATEMENT`]: 0.2 ms.
//! - [`ROW`] and its fields: a row of a list is read, mapped, ordered.
//! - [`BATCHED`]: one statement for all jobs of an answer.
//! - [`NEWEST`] for each job and the rows: 0.1 ms, a read in each day of the log.
//! - [`SEARCH`]: 15 to 30 ms, a search without an index reads up to 20,000 rows.
//! - [`FIRE_TIMES`], and [`FIRE_TIME`] for each: 5 to 10 µs of arithmetic, more where calendars or
//!   blackouts exclude times.
//! - [`PLAN`], and [`PLAN_HOUR`] for each hour, in `upcoming`: 110 ms for a week of 1,000 jobs.
//! - [`BACKFILL`]: 300 ms for 100,000 fire times.
//! - [`COMMAND`]: a transaction with its commit.
//! - [`PASSWORD`]: 20 ms, the hash of a password.
//! - [`COMMAND_ABOUT_MANY`]: up to 1,000 rows at a time.

use crate::model::lists::PAGE_MAX;
use std::cell::Cell;

/// Most rows of a list without pages.
pub const LIST_MAX: u32 = 1_000;
/// Rows of a page by default.
pub const PAGE_DEFAULT: i32 = 50;

/// Largest cost of one request: about 0.2 s.
pub const COST_MAX: usize = 100_000;

/// Cost from which on a query waits for a place of a large answer: 40 ms.
pub const EXPENSIVE: usize = 20_000;

/// A statement of the database.
pub const STATEMENT: usize = 100;
/// A row, without its fields.
pub const ROW: usize = 5;
/// The share of one job in a statement for all jobs of an answer.
pub const BATCHED: usize = 5;
/// The share of one job in a read of the newest executions of all jobs of an answer.
pub const NEWEST: usize = 50;
/// A search without an index.
pub const SEARCH: usize = 5_000;
/// A fire time of a schedule.
pub const FIRE_TIME: usize = 5;
/// A list of fire times, with all excluded ones between them.
pub const FIRE_TIMES: usize = 1_000;
/// A plan of the fire times of all jobs.
pub const PLAN: usize = 10_000;
/// Each hour of a plan.
pub const PLAN_HOUR: usize = 400;
/// A backfill or its preview.
pub const BACKFILL: usize = 60_000;
/// A command about one job: a transaction.
pub const COMMAND: usize = 1_000;
/// A command with the hash of a password.
pub const PASSWORD: usize = 10_000;
/// A command about many jobs or executions: several transactions.
pub const COMMAND_ABOUT_MANY: usize = 20_000;

/// A command about one job, and maybe about its executions.
pub fn command(is_about_executions: bool) -> usize {
    if is_about_executions {
        COMMAND_ABOUT_MANY
    } else {
        COMMAND
    }
}

/// A list of at most `bound` rows, each with `fields`.
pub fn list(bound: usize, fields: usize) -> usize {
    STATEMENT.saturating_add(rows(bound, fields))
}

/// Rows without a statement of their own.
pub fn rows(bound: usize, fields: usize) -> usize {
    bound.saturating_mul(fields.saturating_add(ROW))
}

/// A page of a list; a filter may mean a search.
pub fn page(first: Option<i32>, is_filtered: bool, fields: usize) -> usize {
    let first = bound(first, PAGE_DEFAULT, PAGE_MAX);
    let search = if is_filtered { SEARCH } else { 5 * STATEMENT };
    search.saturating_add(rows(first, fields))
}

/// The first page of a job's list, read together with those of the other jobs.
pub fn first_page(first: Option<i32>, fields: usize) -> usize {
    NEWEST.saturating_add(rows(bound(first, PAGE_DEFAULT, PAGE_MAX), fields))
}

tokio::task_local! {
    /// The cost of one job in all `jobs` fields of the query under validation.
    static OF_EACH_JOB: Cell<usize>;
}

/// The field `jobs`, with its maximal number of rows.
pub fn jobs(fields: usize) -> usize {
    // Outside of a validation there is no such sum, and nothing to add to.
    OF_EACH_JOB
        .try_with(|sum| sum.set(sum.get().saturating_add(rows(1, fields))))
        .ok();
    list(LIST_MAX as usize, fields)
}

/// Runs a validation, and returns the cost of one job in its `jobs` fields: with fewer jobs the
/// query costs less by as much for each.
pub async fn with_cost_of_each_job<T>(validation: impl Future<Output = T>) -> (T, usize) {
    OF_EACH_JOB
        .scope(Cell::new(0), async {
            (validation.await, OF_EACH_JOB.with(Cell::get))
        })
        .await
}

/// The number of rows for the argument `asked`.
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

//! What a query costs, before anything of it is done.
//!
//! The unit is one field of one row: some 2 µs of the node and its database together. Each list counts with the most
//! rows that it can have, whatever it has. A field without a cost of its own counts 1 and what is selected of it.
//!
//! | what                                   | cost                                  | why, on two cores |
//! |----------------------------------------|---------------------------------------|-------------------|
//! | a statement                            | [`STATEMENT`]                         | 0.2 ms |
//! | a row of a list                        | [`ROW`] and its fields                | read, mapped, ordered |
//! | a list in batches with those of others | [`BATCHED`] and its rows              | one statement for all jobs of a page |
//! | a search that no index serves          | [`SEARCH`]                            | 15 to 30 ms: it looks through up to 20,000 rows |
//! | fire times of a schedule               | [`FIRE_TIME`] each                    | 5 to 10 µs of arithmetic |
//! | `upcoming`                             | [`PLAN`] and [`PLAN_HOUR`] an hour    | 110 ms for a week of 1,000 jobs |
//! | `previewBackfill`, `backfillJob`       | [`BACKFILL`]                          | 300 ms for 100,000 fire times |
//! | a command                              | [`COMMAND`]                           | a transaction with its commit |
//! | a command about many                   | [`COMMAND_ABOUT_MANY`]                | up to 1,000 rows at a time |

/// Most that one request may cost: some 0.2 s.
pub const COST_MAX: usize = 100_000;

/// A statement.
pub const STATEMENT: usize = 100;
/// A row, besides its fields.
pub const ROW: usize = 5;
/// What is read for all jobs of a page at once, for one of them.
pub const BATCHED: usize = 5;
/// A search that no index serves.
pub const SEARCH: usize = 5_000;
/// A fire time that is worked out.
pub const FIRE_TIME: usize = 5;
/// Fire times of all jobs.
pub const PLAN: usize = 10_000;
/// The same, for each hour.
pub const PLAN_HOUR: usize = 400;
/// A backfill, previewed or begun.
pub const BACKFILL: usize = 60_000;
/// A transaction.
pub const COMMAND: usize = 1_000;
/// Transactions about many jobs.
pub const COMMAND_ABOUT_MANY: usize = 20_000;

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
    let first = bound(first, super::lists::PAGE_DEFAULT, crate::model::lists::PAGE_MAX);
    let search = if is_filtered { SEARCH } else { 5 * STATEMENT };
    search.saturating_add(rows(first, fields))
}

/// The number of rows that an argument asks for.
pub fn bound(asked: Option<i32>, default: i32, max: usize) -> usize {
    usize::try_from(asked.unwrap_or(default)).unwrap_or(0).min(max)
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
}

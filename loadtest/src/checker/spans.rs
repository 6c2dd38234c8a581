//! Spans of time, indexed by their beginnings, to find the spans that overlap a window.

use crate::micros::Micros;

/// Things with a beginning and an end, both inclusive.
#[derive(Debug)]
pub(super) struct Spans<T> {
    items: Vec<(Micros, Micros, T)>,
    /// The latest end of all spans up to here: a number that only grows, fit for a search.
    latest: Vec<Micros>,
}

impl<T> Spans<T> {
    pub(super) fn new(mut items: Vec<(Micros, Micros, T)>) -> Self {
        items.sort_by_key(|(from, until, _)| (*from, *until));
        let latest = items
            .iter()
            .scan(Micros::MIN, |latest, (_, until, _)| {
                *latest = (*latest).max(*until);
                Some(*latest)
            })
            .collect();
        Self { items, latest }
    }

    /// Spans that begin at `until` or before and end at `from` or later, by beginning.
    pub(super) fn overlapping(
        &self,
        from: Micros,
        until: Micros,
    ) -> impl Iterator<Item = (Micros, Micros, &T)> {
        // Every span before this index ends before the window begins.
        let first = self.latest.partition_point(|latest| *latest < from);
        self.items[first..]
            .iter()
            .take_while(move |(begin, _, _)| *begin <= until)
            .filter(move |(_, end, _)| *end >= from)
            .map(|(begin, end, item)| (*begin, *end, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_overlap_are_found_and_no_others() {
        let spans = Spans::new(vec![(5, 6, 'c'), (0, 10, 'a'), (1, 2, 'b'), (7, 9, 'd')]);
        let found = |from, until| {
            spans
                .overlapping(from, until)
                .map(|(_, _, name)| *name)
                .collect::<String>()
        };
        assert_eq!(found(3, 4), "a");
        assert_eq!(found(2, 5), "abc");
        assert_eq!(found(10, 99), "a");
        assert_eq!(found(11, 99), "");
    }
}

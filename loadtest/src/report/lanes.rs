//! Positions in the chart of deliveries: lane, row in the lane, distance from the left.

use super::statistics::{float, micros};
use crate::history::{Delivery, Fault, History, NodeLife};
use crate::micros::Micros;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Most names with a lane of their own; of more names, those that never lived at the same time
/// share a lane.
const NAMES_MAX: usize = 24;
/// Rows of a lane; beyond them bars lie over each other.
const ROWS_MAX: usize = 6;
/// Left edge and width of the lanes, in units of the drawing.
pub const LEFT: f64 = 130.0;
pub const WIDTH: usize = 860;

/// The time range of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: Micros,
    pub until: Micros,
}

impl Window {
    /// All of a run.
    pub fn of(history: &History) -> Self {
        let arrivals = history.deliveries.iter().map(|delivery| delivery.arrived);
        let from = if history.began > 0 {
            history.began
        } else {
            arrivals.clone().min().unwrap_or(0)
        };
        let until = history
            .ended
            .max(arrivals.max().unwrap_or(from))
            .max(from.saturating_add(1));
        Self { from, until }
    }

    pub fn span(self) -> Micros {
        self.until.saturating_sub(self.from).max(1)
    }

    pub fn meets(self, from: Micros, until: Micros) -> bool {
        from <= self.until && until.max(from) >= self.from
    }

    /// The distance from the drawing's left edge; instants outside are at the window's edge.
    pub fn x(self, at: Micros) -> f64 {
        let since = at.clamp(self.from, self.until).saturating_sub(self.from);
        LEFT + float(WIDTH) * micros(since) / micros(self.span())
    }

    /// The column of an instant, one unit wide.
    pub fn column(self, at: Micros) -> usize {
        // 128 bits: the product of a long span and the width overflows 64.
        let since = i128::from(at.clamp(self.from, self.until).saturating_sub(self.from));
        let last = i128::try_from(WIDTH).unwrap_or_default() - 1;
        usize::try_from((since * (last + 1) / i128::from(self.span())).min(last))
            .unwrap_or_default()
    }

    /// Instants at round times since `start`, some eight of them.
    pub fn ticks(self, start: Micros) -> Vec<Micros> {
        const STEPS: [Micros; 18] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600,
            43_200, 86_400,
        ];
        let step = STEPS
            .into_iter()
            .map(|seconds| seconds * 1_000_000)
            .find(|step| self.span() / step <= 9)
            .unwrap_or_else(|| self.span() / 9);
        let first = self.from.saturating_sub(start).div_euclid(step);
        (first..first.saturating_add(12))
            .map(|index| start.saturating_add(index.saturating_mul(step)))
            .filter(|at| (self.from..=self.until).contains(at))
            .collect()
    }
}

/// A lane: the node lifetimes of a name, or of some that were not alive at once.
#[derive(Debug, Default)]
pub struct Lane<'a> {
    pub names: Vec<&'a str>,
    pub lives: Vec<&'a NodeLife>,
    pub deliveries: Vec<&'a Delivery>,
}

impl Lane<'_> {
    pub fn label(&self) -> String {
        match self.names[..] {
            [] => "unknown node".to_owned(),
            [name] => name.to_owned(),
            [first, ..] => format!("{first} +{}", self.names.len() - 1),
        }
    }

    /// The end of a delivery's bar: of a hanging delivery, the end of its node or of the window.
    pub fn until(&self, delivery: &Delivery, window: Window) -> Micros {
        let mut lives = self.lives.iter();
        let life = lives.find(|life| life.id == delivery.node);
        delivery
            .ended
            .or(life.and_then(|life| life.ended_at))
            .unwrap_or(window.until)
            .max(delivery.arrived)
    }

    pub fn hit_by(&self, fault: &Fault) -> bool {
        fault
            .nodes
            .iter()
            .any(|name| self.names.contains(&name.as_str()))
    }

    /// The row of each delivery, so that neighbouring bars do not touch, and the number of rows.
    pub fn rows(&self, window: Window) -> (Vec<usize>, usize) {
        let least = window.span() / 400; // a bar is never narrower than it can be seen
        let mut ends: Vec<Micros> = Vec::new();
        let rows = self.deliveries.iter().map(|delivery| {
            let end = self
                .until(delivery, window)
                .max(delivery.arrived.saturating_add(least));
            let free = ends.iter().position(|end| *end <= delivery.arrived);
            let row = match free {
                None if ends.len() < ROWS_MAX => {
                    ends.push(end);
                    return ends.len() - 1;
                }
                // All rows are taken: the bar lies over the one that ends first.
                None => (0..ends.len())
                    .min_by_key(|row| ends[*row])
                    .unwrap_or_default(),
                Some(row) => row,
            };
            ends[row] = end.max(ends[row]);
            row
        });
        let rows: Vec<usize> = rows.collect();
        (rows, ends.len().max(1))
    }
}

/// Lanes in the order in which their nodes began, with these deliveries, each lane's by arrival.
pub fn lanes<'a>(history: &'a History, deliveries: &[&'a Delivery]) -> Vec<Lane<'a>> {
    let mut by_name: BTreeMap<&str, Vec<&NodeLife>> = BTreeMap::new();
    for life in &history.nodes {
        by_name.entry(&life.name).or_default().push(life);
    }
    let mut named: Vec<(Micros, Micros, &str, Vec<&NodeLife>)> = by_name
        .into_iter()
        .map(|(name, lives)| {
            let from = lives
                .iter()
                .map(|life| life.started_at)
                .min()
                .unwrap_or_default();
            let until = lives
                .iter()
                .map(|life| life.ended_at.unwrap_or(Micros::MAX))
                .max()
                .unwrap_or(Micros::MAX);
            (from, until, name, lives)
        })
        .collect();
    // By the beginning: a lane is free for a later name when its last node has ended.
    named.sort_by_key(|(from, _, name, _)| (*from, *name));

    // Only then: a lane of one name is easier to read.
    let share = named.len() > NAMES_MAX;
    let mut lanes: Vec<Lane> = Vec::new();
    let mut ends: Vec<Micros> = Vec::new();
    let mut lane_of: HashMap<Uuid, usize> = HashMap::new();
    for (from, until, name, lives) in named {
        let free = ends
            .iter()
            .position(|end| share && *end <= from)
            .unwrap_or(lanes.len());
        if free == lanes.len() {
            lanes.push(Lane::default());
            ends.push(until);
        }
        ends[free] = until;
        lane_of.extend(lives.iter().map(|life| (life.id, free)));
        lanes[free].names.push(name);
        lanes[free].lives.extend(lives);
    }
    let mut strangers = Lane::default();
    for delivery in deliveries {
        match lane_of.get(&delivery.node) {
            Some(lane) => lanes[*lane].deliveries.push(delivery),
            None => strangers.deliveries.push(delivery),
        }
    }
    if !strangers.deliveries.is_empty() {
        lanes.push(strangers);
    }
    for lane in &mut lanes {
        lane.deliveries.sort_by_key(|delivery| delivery.arrived);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_drawn_inside_the_window() {
        let window = Window {
            from: 1_000_000,
            until: 11_000_000,
        };
        assert_eq!(
            [0, 6_000_000, Micros::MAX].map(|at| window.column(at)),
            [0, WIDTH / 2, WIDTH - 1]
        );
        assert!((window.x(11_000_000) - LEFT - float(WIDTH)).abs() < 0.01);
        assert!(window.meets(0, 1_000_000) && !window.meets(0, 999_999));
        assert_eq!(
            window.ticks(1_000_000)[..3],
            [1_000_000, 3_000_000, 5_000_000]
        );
        assert!(Window::of(&History::default()).span() > 0);
        let endless = Window {
            from: Micros::MIN,
            until: Micros::MAX,
        };
        assert!(endless.ticks(0).len() <= 12 && endless.column(0) < WIDTH);
    }

    fn life(number: u64, from: Micros, until: Option<Micros>) -> NodeLife {
        NodeLife {
            id: Uuid::from_u64_pair(0, number),
            name: format!("n{number:03}"),
            state: String::new(),
            started_at: from,
            ended_at: until,
            ended_by: None,
        }
    }

    fn delivery(node: u64, arrived: Micros, ended: Option<Micros>) -> Delivery {
        Delivery {
            job: Uuid::nil(),
            execution: Uuid::nil(),
            fire_time: arrived,
            due_time: arrived,
            attempt: 1,
            node: Uuid::from_u64_pair(0, node),
            kind: String::new(),
            arrived,
            ended,
            status: ended.map(|_| 200),
            effect: true,
        }
    }

    #[test]
    fn names_share_a_lane_when_there_are_many_and_they_were_not_alive_at_once() {
        let mut nodes: Vec<NodeLife> = (0..8)
            .map(|n| life(n, 10 * i64::try_from(n).unwrap(), None))
            .collect();
        let few = History {
            nodes: nodes.clone(),
            ..History::default()
        };
        assert_eq!(lanes(&few, &[]).len(), 8);

        nodes.truncate(2);
        nodes.extend((100..200).map(|n| {
            life(
                n,
                10 * i64::try_from(n).unwrap(),
                Some(10 * i64::try_from(n + 1).unwrap()),
            )
        }));
        let many = History {
            nodes,
            ..History::default()
        };
        let stranger = delivery(9_999, 1_500, Some(1_600));
        let lanes = lanes(&many, &[&stranger]);
        assert_eq!(
            lanes.iter().map(Lane::label).collect::<Vec<_>>(),
            ["n000", "n001", "n100 +99", "unknown node"]
        );
        assert_eq!(lanes[3].deliveries, [&stranger]);
    }

    #[test]
    fn bars_at_once_are_in_rows_of_their_own_and_a_hanging_one_ends_with_its_node() {
        let second = 1_000_000;
        let window = Window {
            from: 0,
            until: 100 * second,
        };
        let history = History {
            nodes: vec![life(1, 0, Some(30 * second))],
            ..History::default()
        };
        let deliveries = [
            delivery(1, 0, None),
            delivery(1, second, Some(5 * second)),
            delivery(1, 6 * second, Some(7 * second)),
            delivery(1, 6 * second, Some(7 * second)),
            delivery(1, 31 * second, Some(32 * second)),
        ];
        let lanes = lanes(&history, &deliveries.iter().collect::<Vec<_>>());
        assert_eq!(lanes[0].until(&deliveries[0], window), 30 * second);
        assert_eq!(lanes[0].rows(window), (vec![0, 1, 1, 2, 0], 3));
    }
}

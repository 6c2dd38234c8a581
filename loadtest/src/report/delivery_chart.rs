//! Deliveries by node over time, with the faults as shaded bands.

use super::answer::Answer;
use super::format::{Names, clock, clock_exact, counted, duration, grouped, hit, hits_all, scope};
use super::lanes::{LEFT, Lane, WIDTH, Window, lanes};
use super::statistics::float;
use crate::history::{Delivery, Fault, History, Scope};
use crate::micros::Micros;
use maud::{Markup, html};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Most deliveries with a bar each; more are drawn as counts.
const BARS_MAX: usize = 4_000;
/// Most faults that are drawn; a page lists more of them.
const FAULTS_MAX: usize = 3_000;
const ROW: f64 = 8.0;
/// Above and below the baseline of a lane of counts.
const ABOVE: f64 = 30.0;
const BELOW: f64 = 4.0;
/// Space above the bars of a lane, for the labels of its faults.
const HEAD: f64 = 13.0;
/// The same of faults of the whole cluster, over all lanes: two rows of labels.
const CLUSTER_HEAD: f64 = 24.0;
const GAP: f64 = 5.0;
const RIGHT: f64 = LEFT + 860.0;

/// The content of one drawing.
pub struct DeliveryChart<'a> {
    pub history: &'a History,
    pub window: Window,
    pub lanes: Vec<Lane<'a>>,
    /// Instants of violations, marked over the lanes.
    pub marks: Vec<Micros>,
    /// Unique in the page.
    pub id: String,
    pub title: String,
    /// Counts instead of bars.
    dense: bool,
}

/// All of a run.
pub fn whole(history: &History, marks: Vec<Micros>) -> DeliveryChart<'_> {
    let deliveries: Vec<&Delivery> = history.deliveries.iter().collect();
    DeliveryChart {
        history,
        window: Window::of(history),
        lanes: lanes(history, &deliveries),
        marks,
        id: "timeline".to_owned(),
        title: "Deliveries by node over time".to_owned(),
        dense: deliveries.len() > BARS_MAX,
    }
}

/// Some deliveries alone, on the lanes of their nodes.
pub fn some<'a>(
    history: &'a History,
    window: Window,
    deliveries: &[&'a Delivery],
    mark: Option<Micros>,
    id: String,
) -> DeliveryChart<'a> {
    let mut lanes = lanes(history, deliveries);
    // Around a violation the other nodes are noise.
    lanes.retain(|lane| !lane.deliveries.is_empty());
    let title = "Deliveries of the job around the violation".to_owned();
    DeliveryChart {
        history,
        window,
        lanes,
        marks: mark.into_iter().collect(),
        id,
        title,
        dense: false,
    }
}

impl DeliveryChart<'_> {
    /// Draws a figure with its legend.
    pub fn draw(&self) -> Markup {
        let faults: Vec<&Fault> = self
            .history
            .faults
            .iter()
            .filter(|f| self.window.meets(f.from, f.until))
            .collect();
        let (all, single): (Vec<&Fault>, Vec<&Fault>) = faults
            .iter()
            // A soak has thousands of faults: more would make a page that no browser scrolls.
            .take(FAULTS_MAX)
            .copied()
            .partition(|fault| hits_all(fault));
        let top = if self.marks.is_empty() { 0.0 } else { 18.0 }
            + if all.is_empty() { 0.0 } else { CLUSTER_HEAD };
        let peak = self.peak();
        let mut y = top;
        let mut drawn = Vec::new();
        for lane in &self.lanes {
            let (markup, height) = self.lane(lane, y, peak, &single);
            drawn.push(markup);
            y += height + GAP;
        }
        let height = y + 20.0;
        let description = self.description(faults.len(), peak);
        html! {
            figure {
                div.scroll tabindex="0" role="region" aria-label=(self.title) {
                    svg viewBox=(format!("0 0 1000 {height:.0}")) role="img"
                        aria-labelledby=(format!("{0}-title {0}-desc", self.id)) {
                        title id=(format!("{}-title", self.id)) { (self.title) }
                        desc id=(format!("{}-desc", self.id)) { (description) }
                        (self.axis(top, y))
                        @for lane in &drawn { (lane) }
                        (self.shades(&all, top - CLUSTER_HEAD, y - top + CLUSTER_HEAD - GAP,
                            CLUSTER_HEAD))
                        (self.violations(y))
                    }
                }
                figcaption { (description) }
            }
        }
    }

    fn description(&self, faults: usize, peak: usize) -> String {
        let deliveries: usize = self.lanes.iter().map(|lane| lane.deliveries.len()).sum();
        let text = format!(
            "{} on {}, {}, {} to {} since the start.",
            counted(deliveries, "delivery"),
            counted(self.lanes.len(), "lane"),
            counted(faults, "fault"),
            clock(self.window.from.saturating_sub(self.history.began)),
            clock(self.window.until.saturating_sub(self.history.began)),
        );
        let cut = if faults > FAULTS_MAX {
            format!(" The first {} faults are drawn.", grouped(FAULTS_MAX))
        } else {
            String::new()
        };
        if !self.dense {
            return text + &cut;
        }
        let column = duration(self.window.span() / i64::try_from(WIDTH).unwrap_or(1));
        format!(
            "{text}{cut} A column is {column} of time: above the line how many deliveries were \
             answered 2xx, by the square root (the highest is {}); below it, \
             from the top, a mark for any answered 5xx, refused, given up by the client, \
             never answered.",
            grouped(peak)
        )
    }

    /// The most deliveries answered 2xx in one column of one lane.
    fn peak(&self) -> usize {
        if !self.dense {
            return 0;
        }
        let peaks = self.lanes.iter().map(|lane| {
            self.columns(lane)[0]
                .iter()
                .copied()
                .max()
                .unwrap_or_default()
        });
        peaks.max().unwrap_or_default()
    }

    /// Deliveries of a lane by outcome and by column.
    fn columns(&self, lane: &Lane) -> Vec<Vec<usize>> {
        let mut columns = vec![vec![0; WIDTH]; Answer::ALL.len()];
        for delivery in &lane.deliveries {
            columns[Answer::of(delivery) as usize][self.window.column(delivery.arrived)] += 1;
        }
        columns
    }

    fn lane(&self, lane: &Lane, y: f64, peak: usize, faults: &[&Fault]) -> (Markup, f64) {
        // Only a lane with faults needs room for labels.
        let head = if faults.iter().any(|fault| lane.hit_by(fault)) {
            HEAD
        } else {
            2.0
        };
        let (rows, count) = if self.dense {
            (Vec::new(), 0)
        } else {
            lane.rows(self.window)
        };
        let body = if self.dense {
            ABOVE + 4.0 * BELOW
        } else {
            ROW * float(count)
        };
        let height = head + body + 2.0;
        let hits: Vec<&Fault> = faults
            .iter()
            .copied()
            .filter(|fault| lane.hit_by(fault))
            .collect();
        let label = lane.label();
        let cut: String = if label.chars().count() > 18 {
            label.chars().take(17).chain(['…']).collect()
        } else {
            label.clone()
        };
        let markup = html! {
            g {
                rect.lane x=(LEFT) y=(px(y)) width=(WIDTH) height=(px(height)) {}
                text.name x=(LEFT - 8.0) y=(px(y + height / 2.0 + 4.0)) { (cut) title { (label) } }
                (self.lives(lane, y, height))
                @if self.dense { (self.strip(lane, y + head, peak)) } @else {
                    (self.bars(lane, y + head, &rows))
                }
                (self.shades(&hits, y, height, head))
            }
        };
        (markup, height)
    }

    /// The lifetimes of the lane's nodes: a line under the lane, a tick at each end.
    fn lives(&self, lane: &Lane, y: f64, height: f64) -> Markup {
        html! {
            @for life in lane.lives.iter().filter(|l| {
                self.window.meets(l.started_at, l.ended_at.unwrap_or(i64::MAX))
            }) {
                @let from = self.window.x(life.started_at);
                @let until = self.window.x(life.ended_at.unwrap_or(self.window.until));
                rect.life x=(px(from)) y=(px(y)) width=(px((until - from).max(1.0)))
                    height=(px(height)) {
                    title { (life.name) " " (life.state) @if let Some(by) = &life.ended_by {
                        ", ended by " (by)
                    } }
                }
                @if life.ended_at.is_some_and(|at| at <= self.window.until) {
                    path.end d=(format!("M{until:.1} {y:.1}v{height:.1}")) {}
                }
            }
        }
    }

    fn bars(&self, lane: &Lane, y: f64, rows: &[usize]) -> Markup {
        let names = Names::of(self.history);
        html! {
            @for (delivery, row) in lane.deliveries.iter().zip(rows) {
                @let answer = Answer::of(delivery);
                @let from = self.window.x(delivery.arrived);
                @let width = (self.window.x(lane.until(delivery, self.window)) - from).max(2.0);
                rect class=(format!("bar {}", answer.key())) x=(px(from))
                    y=(px(y + ROW * float(*row) + 0.5))
                    width=(px(width)) height=(px(ROW - 1.0)) {
                    title {
                        (clock_exact(delivery.arrived.saturating_sub(self.history.began)))
                        " " (names.name(delivery.node)) ", attempt " (delivery.attempt) ", "
                        (answer.label())
                    }
                }
            }
        }
    }

    fn strip(&self, lane: &Lane, y: f64, peak: usize) -> Markup {
        let columns = self.columns(lane);
        let base = y + ABOVE;
        // The square root: a single delivery stays visible next to a thousand.
        let scale = ABOVE / float(peak.max(1)).sqrt();
        let mut paths = Vec::new();
        for (answer, counts) in Answer::ALL.into_iter().zip(&columns) {
            let mut path = String::new();
            for (column, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let x = LEFT + float(column) + 0.5;
                let written = if answer == Answer::Done {
                    write!(
                        path,
                        "M{x} {base:.1}v{:.1}",
                        -(float(*count).sqrt() * scale).max(1.0)
                    )
                } else {
                    write!(
                        path,
                        "M{x} {:.1}v{:.1}",
                        base + BELOW * float(answer as usize - 1) + 0.5,
                        BELOW - 0.5
                    )
                };
                written.expect("a String takes all");
            }
            if !path.is_empty() {
                paths.push((answer, path));
            }
        }
        html! {
            path.base d=(format!("M{LEFT} {base:.1}h{WIDTH}")) {}
            @for (answer, path) in &paths {
                path class=(format!("strip {}", answer.key())) d=(path) {}
            }
        }
    }

    /// Bands with a pattern, and labels in the head where there is room.
    fn shades(&self, faults: &[&Fault], y: f64, height: f64, head: f64) -> Markup {
        let rows = if head < CLUSTER_HEAD { 1 } else { 2 };
        let mut free = vec![LEFT; rows];
        let labels = faults.iter().map(|fault| {
            let from = self.window.x(fault.from);
            // A letter is about six units wide.
            let until = from + 6.0 * float(fault.kind.chars().count()) + 6.0;
            let row = free
                .iter()
                .position(|free| from >= *free && until < RIGHT)?;
            // A label that finds no room is left out: the band has its text as a title.
            free[row] = until;
            Some(y + 10.0 + 11.0 * float(row))
        });
        let labels: Vec<Option<f64>> = labels.collect();
        html! {
            @for (fault, label) in faults.iter().zip(labels) {
                @let from = self.window.x(fault.from);
                @let width = (self.window.x(fault.until.max(fault.from)) - from).max(2.0);
                rect class=(format!("fault {}", class(fault.scope))) x=(px(from)) y=(px(y + head))
                    width=(px(width))
                    height=(px(height - head)) {
                    title {
                        (fault.kind) " of " (hit(fault)) " (" (scope(fault.scope)) "), "
                        (duration(fault.until.saturating_sub(fault.from)))
                    }
                }
                @if let Some(label) = label {
                    text.kind x=(px(from)) y=(px(label)) { (fault.kind) }
                    @if label < y + head - 6.0 {
                        path.leader d=(format!("M{from:.1} {:.1}V{:.1}", label + 2.0, y + head)) {}
                    }
                }
            }
        }
    }

    fn axis(&self, top: f64, bottom: f64) -> Markup {
        html! {
            @for at in self.window.ticks(self.history.began) {
                @let x = self.window.x(at);
                path.grid d=(format!("M{x:.1} {top:.1}V{bottom:.1}")) {}
                text.tick x=(px(x)) y=(px(bottom + 14.0)) {
                    (clock(at.saturating_sub(self.history.began)))
                }
            }
        }
    }

    /// One mark for all violations of a column.
    fn violations(&self, bottom: f64) -> Markup {
        let mut columns: BTreeMap<usize, usize> = BTreeMap::new();
        for at in &self.marks {
            *columns.entry(self.window.column(*at)).or_default() += 1;
        }
        html! {
            @for (column, count) in &columns {
                @let x = LEFT + float(*column) + 0.5;
                path.mark d=(format!("M{x} 14l-5 -11h10zM{x} 14V{bottom:.1}")) {
                    title { (counted(*count, "violation")) }
                }
            }
        }
    }
}

fn px(length: f64) -> String {
    format!("{length:.1}")
}

/// The class of a scope in the style sheet.
pub fn class(scope: Scope) -> &'static str {
    match scope {
        Scope::Ends => "ends",
        Scope::Freezes => "freezes",
        Scope::CutsOff => "cuts-off",
        Scope::CutsTarget => "cuts-target",
        Scope::Stalls => "stalls",
        Scope::Harmless => "harmless",
        Scope::Cluster => "cluster",
    }
}

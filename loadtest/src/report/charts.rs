//! Histograms of lateness and dots of redelivery times, on one kind of axis.

use super::digest::Digest;
use super::format::{counted, duration, grouped};
use super::statistics::{Spread, float, histogram, micros};
use crate::micros::Micros;
use maud::{Markup, html};

const LEFT: f64 = 130.0;
const WIDTH: f64 = 850.0;
/// The lower end of the axis; lower values stand there.
const LEAST: Micros = 1_000;
/// Ten steps of a decade, nearly the same factor apart.
const STEPS: [Micros; 10] = [100, 125, 160, 200, 250, 320, 400, 500, 630, 800];
/// Most dots of one kind: evenly chosen, always with the slowest.
const DOTS_MAX: usize = 400;

/// A logarithmic axis of durations.
struct Axis {
    decades: usize,
}

impl Axis {
    /// Long enough for the greatest of the values, and two decades at least.
    fn up_to(max: Micros) -> Self {
        // Nine decades from a millisecond reach beyond eleven days.
        let decades = (2..9).find(|decades| power(*decades) > max).unwrap_or(9);
        Self { decades }
    }

    fn x(&self, value: Micros) -> f64 {
        let ratio = micros(value.clamp(LEAST, power(self.decades))) / micros(LEAST);
        LEFT + WIDTH * ratio.log10() / float(self.decades)
    }

    /// Edges of the histogram's slots, with both ends of the axis.
    fn edges(&self) -> Vec<Micros> {
        let within =
            (0..self.decades).flat_map(|decade| STEPS.map(|step| step * power(decade) / 100));
        within.chain([power(self.decades)]).collect()
    }

    fn draw(&self, top: f64, bottom: f64) -> Markup {
        html! {
            @for decade in 0..=self.decades {
                @let x = self.x(power(decade));
                path.grid d=(format!("M{x:.1} {top:.1}V{bottom:.1}")) {}
                text.tick x=(format!("{x:.1}")) y=(format!("{:.1}", bottom + 14.0)) {
                    (tick(power(decade)))
                }
            }
        }
    }
}

/// The label of a power of ten.
fn tick(value: Micros) -> String {
    if value < 1_000_000 {
        format!("{} ms", value / 1_000)
    } else {
        format!("{} s", value / 1_000_000)
    }
}

/// A power of ten above the lower end.
fn power(decades: usize) -> Micros {
    (0..decades).fold(LEAST, |power, _| power * 10)
}

/// Lateness in calm and in disturbed times, one above the other on the same axis.
pub fn lateness(digest: &Digest) -> Markup {
    const HEIGHT: f64 = 100.0;
    let rows = [
        ("calm", digest.calm, &digest.analysis.lateness_calm),
        (
            "disturbed",
            digest.disturbed,
            &digest.analysis.lateness_disturbed,
        ),
    ];
    // One axis for both: the two histograms are compared by eye.
    let axis = Axis::up_to(
        rows.iter()
            .filter_map(|(_, spread, _)| spread.map(|s| s.max))
            .max()
            .unwrap_or_default(),
    );
    html! {
        figure {
            div.scroll tabindex="0" role="region" aria-label="Lateness of first starts" {
                svg viewBox="0 0 1000 268" role="img"
                    aria-labelledby="lateness-title lateness-desc" {
                    title id="lateness-title" { "Lateness of first starts" }
                    desc id="lateness-desc" {
                        "Two histograms on a logarithmic axis, \
                         calm above disturbed; the table below has the quantiles."
                    }
                    (axis.draw(4.0, 246.0))
                    @for (index, (name, spread, values)) in rows.iter().enumerate() {
                        (bars(&axis, name, *spread, values, 118.0 + float(index) * (HEIGHT + 28.0)))
                    }
                }
            }
            figcaption {
                "First start after the due time. Slots are a tenth of a decade; bars grow \
                 with the logarithm of the count, so that a single late start is seen. \
                 What is below " (tick(LEAST))
                 " stands left of the axis."
            }
        }
    }
}

/// Left and right edge of a slot; the first and the last slot lie outside of the axis.
fn reach(axis: &Axis, edges: &[Micros], slot: usize) -> (f64, f64) {
    match slot {
        0 => (LEFT - 9.0, LEFT - 1.0),
        _ if slot == edges.len() => (LEFT + WIDTH + 1.0, LEFT + WIDTH + 9.0),
        _ => (axis.x(edges[slot - 1]) + 0.5, axis.x(edges[slot]) - 0.5),
    }
}

/// A histogram on its baseline.
fn bars(axis: &Axis, name: &str, spread: Option<Spread>, values: &[Micros], base: f64) -> Markup {
    let edges = axis.edges();
    let slots = histogram(values, &edges);
    let peak = slots.iter().copied().max().unwrap_or_default();
    html! {
        text.name x=(LEFT - 16.0) y=(base - 44.0) { (name) }
        text.note x=(LEFT - 16.0) y=(base - 29.0) { "n = " (grouped(values.len())) }
        path.base d=(format!("M{} {base}H{}", LEFT - 9.0, LEFT + WIDTH)) {}
        @for (slot, count) in slots.iter().enumerate().filter(|(_, count)| **count > 0) {
            @let (from, until) = reach(axis, &edges, slot);
            @let tall = 92.0 * float(count + 1).ln() / float(peak + 1).ln();
            rect class=(format!("slot {name}")) x=(format!("{from:.1}"))
                y=(format!("{:.1}", base - tall))
                width=(format!("{:.1}", until - from)) height=(format!("{tall:.1}")) {
                title { (grouped(*count)) }
            }
        }
        @if let Some(spread) = spread {
            (quantile(axis, "p99", spread.p99, base))
        }
    }
}

fn quantile(axis: &Axis, name: &str, value: Micros, base: f64) -> Markup {
    let x = axis.x(value);
    let (class, label) = if x > LEFT + WIDTH - 120.0 {
        ("note", x - 4.0)
    } else {
        ("note start", x + 4.0)
    };
    html! {
        path.quantile d=(format!("M{x:.1} {base}v-100")) {}
        text class=(class) x=(format!("{label:.1}")) y=(format!("{:.1}", base - 92.0)) {
            (name) " " (duration(value))
        }
    }
}

/// Redelivery times, a row for each kind of fault.
pub fn redeliveries(digest: &Digest) -> Markup {
    const ROW: f64 = 44.0;
    let max = digest
        .redeliveries
        .values()
        .flatten()
        .copied()
        .max()
        .unwrap_or_default();
    let axis = Axis::up_to(max);
    let bottom = ROW * float(digest.redeliveries.len()) + 6.0;
    let count = digest.redeliveries.values().map(Vec::len).sum();
    html! {
        figure {
            div.scroll tabindex="0" role="region" aria-label="Redelivery times" {
                svg viewBox=(format!("0 0 1000 {:.0}", bottom + 22.0)) role="img"
                    aria-labelledby="redelivery-title redelivery-desc" {
                    title id="redelivery-title" { "Redelivery times by kind of fault" }
                    desc id="redelivery-desc" {
                        (counted(count, "redelivery"))
                        " on a logarithmic axis; the table below has the quantiles."
                    }
                    (axis.draw(4.0, bottom))
                    @for (index, (kind, took)) in digest.redeliveries.iter().enumerate() {
                        (dots(&axis, kind, took, ROW * float(index) + ROW / 2.0 + 4.0))
                    }
                }
            }
            figcaption {
                "A dot is an execution whose attempt a fault orphaned: from the fault, \
                 or the orphan's arrival if later, to the arrival of the next attempt. \
                 The stroke is the median. At most " (DOTS_MAX)
                 " dots of a kind are drawn."
            }
        }
    }
}

fn dots(axis: &Axis, kind: &str, took: &[Micros], y: f64) -> Markup {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    // From the slowest on: thinning out must not remove the worst.
    let step = sorted.len().div_ceil(DOTS_MAX).max(1);
    let chosen: Vec<Micros> = sorted.iter().rev().step_by(step).copied().collect();
    let median = Spread::of(took).map(|spread| axis.x(spread.p50));
    let cut: String = kind.chars().take(18).collect();
    html! {
        text.name x=(LEFT - 16.0) y=(format!("{:.1}", y + 4.0)) { (cut) }
        path.base d=(format!("M{LEFT} {y:.1}h{WIDTH}")) {}
        @for (index, value) in chosen.iter().enumerate() {
            @let aside = float(index * 7 % 11) * 2.4 - 12.0;
            circle.dot cx=(format!("{:.1}", axis.x(*value)))
                cy=(format!("{:.1}", y + aside)) r="3" {}
        }
        @if let Some(x) = median {
            path.median d=(format!("M{x:.1} {:.1}v34", y - 17.0)) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_holds_the_greatest_value_and_its_slots_meet() {
        assert_eq!(Axis::up_to(0).decades, 2);
        assert_eq!(Axis::up_to(999_999).decades, 3);
        assert_eq!(Axis::up_to(1_000_000).decades, 4);
        assert_eq!(Axis::up_to(Micros::MAX).decades, 9);
        let edges = Axis::up_to(0).edges();
        assert_eq!(
            (edges.len(), edges[0], edges[1], edges[10], edges[20]),
            (21, 1_000, 1_250, 10_000, 100_000)
        );
        assert!(edges.is_sorted());
    }
}

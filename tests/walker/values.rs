//! Values for the walker: plausible ones, values at the bounds, and odd ones.

use super::operations::{Mood, Walker};
use async_graphql::Value;
use chrono::{TimeDelta, Utc};
use serde_json::json;

impl Walker {
    pub(super) fn int(&mut self, name: &str) -> i64 {
        if self.mood == Mood::Plain {
            return match name {
                "version" => 0,
                "sleepMillis" => 20,
                _ => self.random.i64(1..10),
            };
        }
        let bounds = [
            0,
            1,
            2,
            5,
            60,
            200,
            1_000,
            -1,
            i64::from(i32::MAX),
            i64::from(i32::MIN),
            i64::MAX,
        ];
        match name {
            // A slot for a month is no fault of the node.
            "sleepMillis" => *self.random.choice(&[0, 1, 1_000, -1]).unwrap(),
            _ => *self.random.choice(&bounds).unwrap(),
        }
    }

    /// An id or a name of an object that there is, mostly.
    pub(super) fn id(&mut self, name: &str) -> String {
        let context = format!("{name} {}", self.root).to_lowercase();
        let words = [
            "node",
            "jobid",
            "userid",
            "execution",
            "blackout",
            "backfill",
            "token",
            "user",
            "job",
        ];
        // A backfill begins at the id of a job.
        let word = match words.iter().find(|word| context.contains(**word)) {
            Some(&"userid") => "user",
            Some(&"backfill") if context.contains("cancel") => "backfill",
            Some(&"jobid" | &"backfill") | None => "job",
            Some(word) => word,
        };
        let known = self.known.get(word).cloned().unwrap_or_default();
        if !known.is_empty() && self.random.u8(0..10) < 8 {
            return known[self.random.usize(..known.len())].clone();
        }
        let odd = [
            "",
            "x",
            "0",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "019ad000-0000-7000-8000-000000000001",
            "{019ad000-0000-7000-8000-000000000001}",
            "é\u{0}",
        ];
        (*self.random.choice(&odd).unwrap()).to_owned()
    }

    pub(super) fn instant(&mut self, name: &str) -> String {
        let near = |seconds| (Utc::now() + TimeDelta::seconds(seconds)).to_rfc3339();
        if self.mood == Mood::Plain {
            let name = name.to_lowercase();
            let seconds = self.random.i64(60..3_600);
            let is_end = name.contains("end") || name == "to";
            return near(if is_end { seconds } else { -seconds });
        }
        let odd = [
            "1970-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999999Z",
            "+262142-12-31T23:59:59Z",
            "2026-02-30T00:00:00Z",
            "2026-03-29T02:30:00+02:00",
            "2026-12-31T23:59:60Z",
            "yesterday",
            "",
        ];
        match self.random.u8(0..3) {
            0 => (*self.random.choice(&odd).unwrap()).to_owned(),
            _ => near(self.random.i64(-90_000..90_000)),
        }
    }

    pub(super) fn json(&mut self, name: &str) -> Value {
        let choices = match name {
            "headers" => vec![
                json!({"X-A": "b"}),
                json!({}),
                json!({"X-A": 1}),
                json!({"Host": "x", "\r\n": "y"}),
                json!([1]),
            ],
            _ => vec![
                json!({"a": [1, 2.5, null, {"b": "c"}]}),
                json!(null),
                json!("\u{0}"),
                (0..70).fold(json!(1), |inner, _| json!([inner])),
                json!("x".repeat(1_000)),
                json!({"password": "p"}),
            ],
        };
        let last = if self.mood == Mood::Plain {
            1
        } else {
            choices.len()
        };
        let choice = choices[self.random.usize(..last)].clone();
        Value::from_json(choice).unwrap()
    }

    pub(super) fn text(&mut self, name: &str) -> String {
        let plain: &[&str] = match name {
            "cronExpression" => &[
                "* * * * *",
                "*/2 * * * * ?",
                "@daily",
                "0 0 1 1 *",
                "0 9 * * MON#1",
            ],
            "timeZone" => &[
                "UTC",
                "Europe/Berlin",
                "America/Sao_Paulo",
                "Australia/Lord_Howe",
            ],
            "url" => &[
                "http://127.0.0.1:9/",
                "http://127.0.0.1:1/a?b=c",
                "https://example.com/",
            ],
            "excludeDates" | "includeDates" => &["12-25", "2026-12-24/2027-01-02", "2030-01-01"],
            "from" => &["22:00", "00:00:01"],
            "to" => &["06:00", "24:00"],
            "tag" | "tags" => &["t1", "t2"],
            "password" | "new" | "current" => &["correct horse battery", "another long password"],
            "after" => &["", "bm90aGluZw==", "MjAyNi0xMS0zMA"],
            _ => &["walk", "w", "night run"],
        };
        let known = match name {
            "calendar" => self.known.get("calendar"),
            "name" if self.root.ends_with("alendar") && self.root != "createCalendar" => {
                self.known.get("calendar")
            }
            _ => None,
        };
        if let Some(known) = known.filter(|known| !known.is_empty())
            && self.mood != Mood::Broken
        {
            return known[self.random.usize(..known.len())].clone();
        }
        if self.mood == Mood::Plain || self.chance(60) {
            let text = (*self.random.choice(plain).unwrap()).to_owned();
            // Names of users and calendars are unique.
            return match name {
                "name" => format!("{text} {}", self.made + self.random.usize(..1_000_000)),
                _ => text,
            };
        }
        let odd = [
            String::new(),
            " ".to_owned(),
            "\u{0}".to_owned(),
            "\u{202e}\r\n\t🦀".to_owned(),
            "'; drop table job_definition; --".to_owned(),
            "%_\\".to_owned(),
            "x".repeat(256),
            "x".repeat(2_001),
            "* * 31 2 *".to_owned(),
            "99 99 99 99 99".to_owned(),
            "H/5 L-3W ? FRI#5 *".to_owned(),
            "http://[::1]:8081/".to_owned(),
            "file:///etc/passwd".to_owned(),
        ];
        odd[self.random.usize(..odd.len())].clone()
    }

    /// A value of a kind that hardly fits.
    pub(super) fn odd(&mut self) -> Value {
        match self.random.u8(0..6) {
            0 => Value::Null,
            1 => Value::from(-1),
            2 => Value::from("odd"),
            3 => Value::from(true),
            4 => Value::List(vec![Value::Null]),
            _ => Value::from_json(json!({"a": 1})).unwrap(),
        }
    }
}

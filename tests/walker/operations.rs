//! Random operations of the schema: valid ones, rich ones, and broken ones.

use super::schema::{Field, Input, Types, bare};
use async_graphql::parser::types::{BaseType, Type};
use async_graphql::{Name, Value};
use chrono::{TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// How an operation is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Plausible values, few options.
    Plain,
    /// Many options, values at the bounds.
    Rich,
    /// Wrong types, missing and unknown fields, damaged text.
    Broken,
}

/// An operation to send.
#[derive(Debug, Clone)]
pub struct Operation {
    pub query: String,
    pub variables: serde_json::Value,
}

/// Ids and names that there are, by the word of the root fields that take them.
pub type Known = BTreeMap<&'static str, Vec<String>>;

/// Makes operations from a seed.
pub struct Walker {
    types: Types,
    pub(super) random: fastrand::Rng,
    pub known: Known,
    /// Root fields, arguments and input fields that were sent.
    pub used: BTreeSet<String>,
    pub(super) mood: Mood,
    pub(super) root: String,
    declared: Vec<(String, Type, Value)>,
    fragments: String,
    pub(super) made: usize,
}

impl Walker {
    pub fn new(seed: u64) -> Self {
        Self {
            types: Types::of_the_api(),
            random: fastrand::Rng::with_seed(seed),
            known: Known::new(),
            used: BTreeSet::new(),
            mood: Mood::Plain,
            root: String::new(),
            declared: Vec::new(),
            fragments: String::new(),
            made: 0,
        }
    }

    /// What was not used yet.
    pub fn unused(&self) -> Vec<String> {
        let places = self.types.places();
        places.difference(&self.used).cloned().collect()
    }

    /// The names of the root fields of a kind.
    pub fn roots(&self, root: &str) -> Vec<String> {
        let fields = self.types.objects[root].iter();
        fields.map(|field| field.name.clone()).collect()
    }

    /// An operation with this root field, and perhaps others of the same kind.
    pub fn operation(&mut self, root: &str, field: &str) -> Operation {
        self.mood = match self.random.u8(0..10) {
            0..=4 => Mood::Plain,
            5..=7 => Mood::Rich,
            _ => Mood::Broken,
        };
        self.declared.clear();
        self.fragments.clear();
        let fields = self.types.objects[root].clone();
        let mut selected = vec![fields.iter().find(|f| f.name == field).unwrap().clone()];
        while root != "Subscription" && self.chance(15) {
            selected.push(fields[self.random.usize(..fields.len())].clone());
        }
        let mut body = String::new();
        for field in selected {
            self.root.clone_from(&field.name);
            self.used.insert(format!("{root}.{}", field.name));
            let text = self.field(&field, 3);
            // The same field twice needs another name.
            write!(body, "a{}: {text} ", self.made).unwrap();
            self.made += 1;
        }
        let mut declarations = Vec::new();
        let mut variables = serde_json::Map::new();
        for (name, of, value) in std::mem::take(&mut self.declared) {
            declarations.push(format!("${name}: {of}"));
            variables.insert(name, value.into_json().unwrap());
        }
        let declarations = if declarations.is_empty() {
            String::new()
        } else {
            format!("({})", declarations.join(", "))
        };
        let kind = root.to_lowercase();
        let mut query = format!("{kind} Walk{declarations} {{ {body}}}{}", self.fragments);
        if self.is_broken(10) {
            self.damage(&mut query);
        }
        Operation {
            query,
            variables: variables.into(),
        }
    }

    fn field(&mut self, field: &Field, room: u8) -> String {
        let mut arguments = Vec::new();
        for argument in &field.arguments {
            if room == 3 {
                let place = format!("{}({})", field.name, argument.name);
                if !self.takes(argument, &place) {
                    continue;
                }
                self.used.insert(place);
            } else if !argument.is_needed && !self.chance(20) {
                continue;
            }
            let value = self.value(&argument.name, &argument.of, 3);
            let text = if self.chance(60) {
                let name = format!("v{}", self.declared.len());
                self.declared
                    .push((name.clone(), argument.of.clone(), value));
                format!("${name}")
            } else {
                value.to_string()
            };
            arguments.push(format!("{}: {text}", argument.name));
        }
        let arguments = if arguments.is_empty() {
            String::new()
        } else {
            format!("({})", arguments.join(", "))
        };
        let directive = match self.random.u8(0..20) {
            0 => " @include(if: true)",
            1 if room < 3 => " @skip(if: true)",
            _ => "",
        };
        let selection = self.selection(bare(&field.of), room);
        format!("{}{arguments}{directive}{selection}", field.name)
    }

    /// What is asked of an object; nothing of a scalar.
    fn selection(&mut self, of: &str, room: u8) -> String {
        let Some(fields) = self.types.objects.get(of).cloned() else {
            return String::new();
        };
        let mut body = "__typename ".to_owned();
        for field in &fields {
            let is_object = self.types.objects.contains_key(bare(&field.of));
            let needs = field.arguments.iter().any(|argument| argument.is_needed);
            if needs || (is_object && room == 0) || !self.chance(if is_object { 20 } else { 50 }) {
                continue;
            }
            if self.chance(5) {
                write!(body, "b{}: ", self.made).unwrap();
                self.made += 1;
            }
            body += &self.field(field, room.saturating_sub(1).min(2));
            body.push(' ');
        }
        if self.is_broken(5) {
            body += "noSuchField ";
        }
        match self.random.u8(0..12) {
            0 => format!(" {{ ... on {of} {{ {body}}} }}"),
            1 => {
                let name = format!("F{}", self.made);
                self.made += 1;
                write!(self.fragments, " fragment {name} on {of} {{ {body}}}").unwrap();
                format!(" {{ ...{name} }}")
            }
            _ => format!(" {{ {body}}}"),
        }
    }

    /// Whether an argument or an input field is given.
    fn takes(&mut self, input: &Input, place: &str) -> bool {
        if input.is_needed {
            return !self.is_broken(5);
        }
        let percent = if self.mood == Mood::Plain { 10 } else { 40 };
        // Each is used at least once, whatever the seed.
        (self.mood != Mood::Plain && !self.used.contains(place)) || self.chance(percent)
    }

    fn value(&mut self, name: &str, of: &Type, room: u8) -> Value {
        if self.is_broken(6) || (of.nullable && self.mood == Mood::Rich && self.chance(5)) {
            return self.odd();
        }
        match &of.base {
            BaseType::List(inner) => {
                let count = match self.mood {
                    Mood::Plain => 1,
                    _ => *self.random.choice(&[0, 1, 1, 2, 3, 30]).unwrap(),
                };
                let values = (0..count).map(|_| self.value(name, inner, room));
                Value::List(values.collect())
            }
            BaseType::Named(kind) => self.named(name, kind, room),
        }
    }

    fn named(&mut self, name: &str, kind: &str, room: u8) -> Value {
        if let Some(values) = self.types.enums.get(kind) {
            let value = &values[self.random.usize(..values.len())];
            return Value::Enum(Name::new(value));
        }
        if let Some(fields) = self.types.inputs.get(kind).cloned() {
            return self.object(kind, &fields, room);
        }
        match kind {
            "Int" => Value::from(self.int(name)),
            "Float" => Value::from(*self.random.choice(&[1.0, 2.0, 0.5, 1e300, -1.0]).unwrap()),
            "Boolean" => Value::from(self.random.bool()),
            "ID" => Value::from(self.id(name)),
            "DateTime" => Value::from(self.instant(name)),
            "JSON" => self.json(name),
            _ => Value::from(self.text(name)),
        }
    }

    fn object(&mut self, kind: &str, fields: &[Input], room: u8) -> Value {
        let mut given = async_graphql::indexmap::IndexMap::new();
        if kind == "TargetInput" && self.mood != Mood::Broken {
            let field = &fields[self.random.usize(..fields.len())];
            self.used.insert(format!("{kind}.{}", field.name));
            let value = self.named(&field.name, bare(&field.of), room.saturating_sub(1));
            given.insert(Name::new(&field.name), value);
            return Value::Object(given);
        }
        let schedule = self.random.usize(..4);
        for field in fields {
            let place = format!("{kind}.{}", field.name);
            if !self.takes(field, &place) {
                continue;
            }
            self.used.insert(place);
            let value = self.value(&field.name, &field.of, room.saturating_sub(1));
            given.insert(Name::new(&field.name), value);
        }
        if kind == "CreateJobInput" && self.mood != Mood::Broken {
            self.schedule(schedule, &mut given);
        }
        if self.is_broken(4) {
            given.insert(Name::new("noSuchField"), Value::from(1));
        }
        Value::Object(given)
    }

    /// A schedule whose fields fit together.
    fn schedule(
        &mut self,
        which: usize,
        given: &mut async_graphql::indexmap::IndexMap<Name, Value>,
    ) {
        let own = ["CRON", "FIXED_RATE", "FIXED_DELAY", "ONCE"][which];
        for name in ["cronExpression", "intervalSeconds", "initialDelaySeconds"] {
            given.shift_remove(name);
        }
        if own != "CRON" {
            for name in ["timeZone", "dstGap", "dstOverlap"] {
                given.shift_remove(name);
            }
        }
        given.insert(Name::new("scheduleType"), Value::Enum(Name::new(own)));
        match own {
            "CRON" => {
                let expression = Value::from(self.text("cronExpression"));
                given.insert(Name::new("cronExpression"), expression);
            }
            "ONCE" => {
                for name in ["endAt", "maxRuns", "misfirePolicy"] {
                    given.shift_remove(name);
                }
                let at = (Utc::now() + TimeDelta::seconds(self.random.i64(-5..60))).to_rfc3339();
                given.insert(Name::new("startAt"), Value::from(at));
            }
            _ => {
                let seconds = *self.random.choice(&[1, 2, 60, 3600]).unwrap();
                given.insert(Name::new("intervalSeconds"), Value::from(seconds));
            }
        }
    }

    /// Takes a piece out of the text, or puts one in.
    fn damage(&mut self, query: &mut String) {
        let at = query.floor_char_boundary(self.random.usize(..=query.len()));
        match self.random.usize(..6) {
            0 => query.truncate(at),
            choice => query.insert_str(at, ["\"", "}", "{", "$v0", "\u{feff}#"][choice - 1]),
        }
    }

    pub(super) fn chance(&mut self, percent: u8) -> bool {
        self.random.u8(0..100) < percent
    }

    fn is_broken(&mut self, percent: u8) -> bool {
        self.mood == Mood::Broken && self.chance(percent)
    }
}

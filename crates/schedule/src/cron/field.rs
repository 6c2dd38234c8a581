//! One plain field of a cron expression: from text to numbers.
//!
//! A field is a list of items; an item is `*`, a value, a range or `H`, with or without a step.
//! Every number is compared with the column's bounds before a range is expanded, so no input makes
//! more than 128 · 230 numbers.

use super::column::{Column, number};
use super::error::{CronError, FieldError, FieldProblem};
use super::hash::Seed;
use super::intervals;
use super::options::Dialect;

/// A part of the expression and its position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    /// The part as it was written.
    pub text: &'a str,
    /// Position of the first character in the text, from 1.
    pub position: usize,
}

impl<'a> Token<'a> {
    /// The parts between the separators, empty ones included.
    pub fn split(self, separators: &'a [char]) -> impl Iterator<Item = Token<'a>> {
        self.split_where(|char| separators.contains(&char))
    }

    /// The parts between white space of any kind, no-break spaces and new lines included.
    pub fn words(self) -> impl Iterator<Item = Token<'a>> {
        self.split_where(char::is_whitespace)
            .filter(|word| !word.text.is_empty())
    }

    fn split_where(self, separates: impl Fn(char) -> bool) -> impl Iterator<Item = Token<'a>> {
        let mut position = self.position;
        self.text.split(separates).map(move |text| {
            let part = Token { text, position };
            // Positions count characters: an editor marks characters, not bytes.
            position += text.chars().count() + 1;
            part
        })
    }

    /// Without its first `bytes` and the last `end` bytes, which are ASCII.
    pub fn inner(self, bytes: usize, end: usize) -> Token<'a> {
        Token {
            text: &self.text[bytes..self.text.len() - end],
            position: self.position + bytes,
        }
    }

    /// Whether it begins with an ASCII letter, in any case.
    pub fn starts_with(self, letter: u8) -> bool {
        self.text
            .as_bytes()
            .first()
            .is_some_and(|first| first.eq_ignore_ascii_case(&letter))
    }

    /// Whether it ends with an ASCII letter, in any case.
    pub fn ends_with(self, letter: u8) -> bool {
        self.text
            .as_bytes()
            .last()
            .is_some_and(|last| last.eq_ignore_ascii_case(&letter))
    }
}

/// Rules that all fields of an expression share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grammar<'a> {
    /// The rules where Unix and Quartz differ.
    pub dialect: Dialect,
    /// The seed of `H`.
    pub seed: Seed<'a>,
}

/// The numbers of a field.
#[derive(Debug, Clone, Default)]
pub(super) struct Field {
    /// In the numbering of the crate `cron`, ascending.
    pub numbers: Vec<u32>,
    /// Whether it allows every value.
    pub all: bool,
    /// Whether `*`, a range or a step made it: then it means an interval, not a time.
    pub interval: bool,
    /// Whether `H` chose a number.
    pub hashed: bool,
    /// Steps that do not divide the column, for warnings.
    pub uneven_steps: Vec<UnevenStep>,
}

/// A step without an end of its own (`*/7`, `5/7`) that does not divide its column.
#[derive(Debug, Clone)]
pub(super) struct UnevenStep {
    pub column: &'static Column,
    /// The item as it was written.
    pub item: String,
    pub step: u32,
    /// Its numbers, in the numbering of the crate `cron`.
    pub numbers: Vec<u32>,
}

/// Numbers at equal distances; `last` is beyond the maximum if they wrap around.
struct Span {
    first: u32,
    last: u32,
    /// `false` for a value alone and for `H` alone.
    interval: bool,
    /// Without an end of its own: `*`, `5/…`.
    open: bool,
    hashed: bool,
}

impl Field {
    /// The field that holds one number.
    pub fn only(number: u32) -> Self {
        Self {
            numbers: vec![number],
            ..Self::default()
        }
    }

    /// The field that allows every value, without a list of them.
    pub fn every() -> Self {
        Self {
            all: true,
            ..Self::default()
        }
    }

    /// The field as the crate `cron` takes it.
    pub fn list(&self) -> String {
        if self.all {
            return "*".to_owned();
        }
        let texts: Vec<_> = self.numbers.iter().map(u32::to_string).collect();
        texts.join(",")
    }

    fn add(&mut self, column: &Column, span: &Span, step: u32) {
        let numbers = (span.first..=span.last).step_by(usize::try_from(step).unwrap_or(1));
        self.numbers
            .extend(numbers.map(|number| (number - column.min) % column.size() + column.base));
        self.interval |= span.interval;
        self.hashed |= span.hashed;
    }
}

impl Column {
    /// The numbers of a list of plain items.
    pub fn parse(
        &'static self,
        field: Token<'_>,
        grammar: Grammar<'_>,
    ) -> Result<Field, CronError> {
        let mut parsed = Field::default();
        for item in field.split(&[',']) {
            self.item(item, grammar, &mut parsed)?;
        }
        Ok(self.finish(parsed))
    }

    /// Puts the numbers of the items in order.
    pub fn finish(&self, mut field: Field) -> Field {
        field.numbers.sort_unstable();
        field.numbers.dedup();
        field.all = field.numbers.len() == usize::try_from(self.size()).unwrap_or(usize::MAX);
        field
    }

    /// A refusal of a part of the column.
    pub fn refuse(&self, part: Token<'_>, problem: FieldProblem) -> CronError {
        CronError::Field(FieldError {
            field: self.name,
            position: part.position,
            part: part.text.to_owned(),
            problem,
        })
    }

    /// A refusal of a place where a part is missing.
    pub fn missing(&self, gap: Token<'_>, wanted: impl Into<String>) -> CronError {
        self.refuse(
            gap,
            FieldProblem::Missing {
                wanted: wanted.into(),
            },
        )
    }

    /// Adds the numbers of one plain item.
    pub fn item(
        &'static self,
        item: Token<'_>,
        grammar: Grammar<'_>,
        field: &mut Field,
    ) -> Result<(), CronError> {
        let parts: Vec<_> = item.split(&['/']).collect();
        let (span, step) = match parts[..] {
            [span] => (span, None),
            [span, step] => (span, Some(self.step(step, grammar.dialect)?)),
            _ => return Err(self.refuse(item, FieldProblem::Repeated { separator: '/' })),
        };
        let span = self.span(span, step, grammar)?;
        // The numbers of the item alone: a warning names no number of another item.
        let before = field.numbers.len();
        field.add(self, &span, step.unwrap_or(1));
        // A range has an end on purpose: only an open step can surprise.
        if let Some(step) = step.filter(|step| span.open && self.is_uneven(*step)) {
            field.uneven_steps.push(UnevenStep {
                column: self,
                item: item.text.to_owned(),
                step,
                numbers: field.numbers[before..].to_vec(),
            });
        }
        Ok(())
    }

    fn span(
        &self,
        span: Token<'_>,
        step: Option<u32>,
        grammar: Grammar<'_>,
    ) -> Result<Span, CronError> {
        let stepped = step.is_some();
        if span.text == "*"
            || (span.text.is_empty() && stepped && grammar.dialect == Dialect::Quartz)
        {
            return Ok(Span {
                first: self.min,
                last: self.last,
                interval: true,
                open: true,
                hashed: false,
            });
        }
        // The year has no `H`: a job would fire in one year only.
        if span.starts_with(b'H') && self.circular {
            return self.hashed(span, step, grammar);
        }
        let ends: Vec<_> = span.split(&['-']).collect();
        match ends[..] {
            [value] => {
                let first = self.value(value)?;
                // `7/2` in the day of the week of five fields starts at 7, beyond the last number.
                let last = if stepped { self.last.max(first) } else { first };
                Ok(Span {
                    first,
                    last,
                    interval: stepped,
                    open: stepped,
                    hashed: false,
                })
            }
            [first, last] => {
                let first = self.value(first)?;
                let last = self.range_end(span, first, self.value(last)?, grammar.dialect)?;
                Ok(Span {
                    first,
                    last,
                    interval: true,
                    open: false,
                    hashed: false,
                })
            }
            _ => Err(self.refuse(span, FieldProblem::Repeated { separator: '-' })),
        }
    }

    /// The last number of a range; beyond the maximum if the range wraps around.
    fn range_end(
        &self,
        range: Token<'_>,
        first: u32,
        last: u32,
        dialect: Dialect,
    ) -> Result<u32, CronError> {
        if first <= last {
            return Ok(last);
        }
        // `FRI-SUN` and `5-0`: Sunday as an end is the 7 that Unix has for it.
        if self.last < self.max && last == self.min {
            return Ok(self.max);
        }
        // Unix crons refuse such ranges, and a silent wrap would hide a mistake.
        if dialect == Dialect::Quartz && self.circular {
            return Ok(last + self.size());
        }
        let wraps_in_quartz = dialect == Dialect::Unix;
        Err(self.refuse(
            range,
            FieldProblem::Backwards {
                allowed: self.allowed,
                wraps_in_quartz,
            },
        ))
    }

    /// `H` is one value, `H(a-b)` one of that range. With a step, `H` is the first value.
    fn hashed(
        &self,
        word: Token<'_>,
        step: Option<u32>,
        grammar: Grammar<'_>,
    ) -> Result<Span, CronError> {
        let (first, last) = match word.text.as_bytes() {
            [_] if step.is_some() => (self.min, self.last),
            [_] => (self.min, self.hash_last),
            [_, b'(', .., b')'] => self.hash_range(word.inner(2, 1))?,
            _ => {
                return Err(self.refuse(
                    word,
                    FieldProblem::NotAHash {
                        allowed: self.allowed,
                    },
                ));
            }
        };
        let width = last - first + 1;
        let start = first
            + grammar
                .seed
                // With a step the start is within the first step, so every job fires about equally
                // often.
                .pick(self.name, step.map_or(width, |step| step.min(width)));
        let last = if step.is_some() { last } else { start };
        Ok(Span {
            first: start,
            last,
            interval: step.is_some(),
            open: false,
            hashed: true,
        })
    }

    fn hash_range(&self, range: Token<'_>) -> Result<(u32, u32), CronError> {
        let ends: Vec<_> = range.split(&['-']).collect();
        let [first, last] = ends[..] else {
            return Err(self.refuse(range, FieldProblem::NotAHashRange));
        };
        let (first, last) = (self.value(first)?, self.value(last)?);
        if first > last {
            return Err(self.refuse(range, FieldProblem::HashBackwards));
        }
        Ok((first, last))
    }

    /// A step as large as the whole field is valid in Unix crontabs (`*/24`). Quartz refuses it
    /// where the numbers start at 0.
    fn step(&self, step: Token<'_>, dialect: Dialect) -> Result<u32, CronError> {
        let max = match dialect {
            Dialect::Unix => self.size(),
            Dialect::Quartz => self.size().min(self.max),
        };
        if step.text.is_empty() {
            return Err(self.missing(step, format!("a step of 1-{max}")));
        }
        match number(step.text) {
            Some(number) if (1..=max).contains(&number) => Ok(number),
            Some(number) => {
                // `*/90` in minutes means every 90 minutes to most authors: a fixed rate does so.
                let instead = intervals::of_step(number, self.unit);
                Err(self.refuse(step, FieldProblem::StepOutOfRange { max, instead }))
            }
            None => Err(self.refuse(step, FieldProblem::NotAStep { max })),
        }
    }

    /// A number within the bounds, or a name.
    pub fn value(&self, word: Token<'_>) -> Result<u32, CronError> {
        let Self {
            allowed, specials, ..
        } = *self;
        if word.text.is_empty() {
            return Err(self.missing(word, allowed));
        }
        match self.lookup(word.text) {
            Some(number) if (self.min..=self.max).contains(&number) => Ok(number),
            Some(_) => Err(self.refuse(word, FieldProblem::OutOfRange { allowed })),
            // A field for days with a `?` alone never comes here: `days` reads it first.
            None if word.text.starts_with('?') => {
                let is_day = !specials.is_empty();
                Err(self.refuse(word, FieldProblem::QuestionMark { is_day }))
            }
            None => Err(self.refuse(word, FieldProblem::NotAValue { allowed, specials })),
        }
    }
}

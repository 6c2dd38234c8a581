//! One plain field of a cron expression: from what a person typed to numbers.
//!
//! A field is a list of items; an item is `*`, a value, a range or `H`, each
//! with a step if wanted. Every number is held against the column's bounds
//! before anything is expanded, so that no input can make more than 128 · 230
//! numbers. Every refusal names the column, the part, its position and what is
//! allowed.

use super::column::{Column, number};
use super::hash::Seed;
use super::{CronError, Dialect, foreign, warnings};

/// A part of the expression and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    /// The part as typed.
    pub text: &'a str,
    /// The column of its first character in what was typed, from 1.
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

/// Rules and knowledge that all fields of an expression share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grammar<'a> {
    /// Whose rules hold where the two differ.
    pub dialect: Dialect,
    /// What `H` is made of.
    pub seed: Seed<'a>,
}

/// The numbers of a field.
#[derive(Debug, Clone, Default)]
pub(super) struct Field {
    /// In the crate's numbering, ascending.
    pub numbers: Vec<u32>,
    /// Whether it allows every value.
    pub all: bool,
    /// Whether `*`, a range or a step made it: it means an interval, not a time.
    pub interval: bool,
    /// Whether `H` chose a number.
    pub hashed: bool,
    /// What the person who typed it may not have meant.
    pub warnings: Vec<String>,
}

/// Numbers at a distance; `last` is beyond the maximum when they wrap around.
struct Span {
    first: u32,
    last: u32,
    /// Neither a value alone nor `H` alone.
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

    /// The field as the crate takes it.
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
    pub fn parse(&self, field: Token<'_>, grammar: Grammar<'_>) -> Result<Field, CronError> {
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

    /// A refusal of a part of this column.
    pub fn refuse(&self, part: Token<'_>, problem: &str) -> CronError {
        CronError(format!(
            "{}: `{}` at position {} {problem}",
            self.name,
            part.text.escape_debug(),
            part.position
        ))
    }

    /// Adds the numbers of one plain item.
    pub fn item(
        &self,
        item: Token<'_>,
        grammar: Grammar<'_>,
        field: &mut Field,
    ) -> Result<(), CronError> {
        let parts: Vec<_> = item.split(&['/']).collect();
        let (span, step) = match parts[..] {
            [span] => (span, None),
            [span, step] => (span, Some(step)),
            _ => return Err(self.refuse(item, "has more than one `/`")),
        };
        let step = step
            .map(|step| self.step(step, grammar.dialect))
            .transpose()?;
        let span = self.span(span, step, grammar)?;
        let before = field.numbers.len();
        field.add(self, &span, step.unwrap_or(1));
        if let (true, Some(step)) = (span.open, step) {
            let numbers = &field.numbers[before..];
            field
                .warnings
                .extend(warnings::uneven_step(self, item.text, step, numbers));
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
        if span.starts_with(b'H') && self.circular {
            return self.hashed(span, step, grammar);
        }
        let ends: Vec<_> = span.split(&['-']).collect();
        match ends[..] {
            [value] => {
                let first = self.value(value)?;
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
                let (first, last) = (self.value(first)?, self.value(last)?);
                let (first, last) = self.range(span, first, last, grammar.dialect)?;
                Ok(Span {
                    first,
                    last,
                    interval: true,
                    open: false,
                    hashed: false,
                })
            }
            _ => Err(self.refuse(span, "has more than one `-`")),
        }
    }

    fn range(
        &self,
        range: Token<'_>,
        first: u32,
        last: u32,
        dialect: Dialect,
    ) -> Result<(u32, u32), CronError> {
        if first <= last {
            return Ok((first, last));
        }
        // `FRI-SUN` and `5-0`: Sunday as an end is the 7 that Unix has for it.
        if self.last < self.max && last == self.min {
            return Ok((first, self.max));
        }
        if dialect == Dialect::Quartz && self.circular {
            return Ok((first, last + self.size()));
        }
        let wraps = if dialect == Dialect::Unix {
            ": only in six or seven fields a range may wrap around"
        } else {
            ""
        };
        Err(self.refuse(
            range,
            &format!("runs backwards{wraps}, allowed is {}", self.allowed),
        ))
    }

    /// `H` is one value, `H(a-b)` one of that range; with a step it is where the
    /// steps begin.
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
                    &format!("is not valid, allowed is H, H(a-b) or {}", self.allowed),
                ));
            }
        };
        let width = last - first + 1;
        let start = first
            + grammar
                .seed
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
            return Err(self.refuse(range, "is not a range: `H` takes two ends, as in H(0-29)"));
        };
        let (first, last) = (self.value(first)?, self.value(last)?);
        if first > last {
            return Err(self.refuse(range, "runs backwards, which `H` cannot"));
        }
        Ok((first, last))
    }

    /// A step as large as the whole field is what Unix crontabs have (`*/24`)
    /// and what Quartz refuses where the numbers start at 0.
    fn step(&self, step: Token<'_>, dialect: Dialect) -> Result<u32, CronError> {
        let most = if dialect == Dialect::Unix {
            self.size()
        } else {
            self.size().min(self.max)
        };
        if step.text.is_empty() {
            return Err(self.missing(step, &format!("a step of 1-{most}")));
        }
        match number(step.text) {
            Some(number) if (1..=most).contains(&number) => Ok(number),
            Some(number) => {
                let instead = foreign::interval_of_steps(number, self).unwrap_or_default();
                Err(self.refuse(
                    step,
                    &format!("is out of range 1-{most} for a step{instead}"),
                ))
            }
            None => Err(self.refuse(step, &format!("is not a step, allowed is 1-{most}"))),
        }
    }

    /// A number within the bounds, or a name.
    pub fn value(&self, word: Token<'_>) -> Result<u32, CronError> {
        if word.text.is_empty() {
            return Err(self.missing(word, self.allowed));
        }
        match self.lookup(word.text) {
            Some(number) if (self.min..=self.max).contains(&number) => Ok(number),
            Some(_) => Err(self.refuse(word, &format!("is out of range {}", self.allowed))),
            None if word.text.starts_with('?') => {
                Err(self.refuse(word, self.about_question_mark()))
            }
            None => Err(self.refuse(
                word,
                &format!("is not valid, allowed is {}{}", self.allowed, self.specials),
            )),
        }
    }

    fn about_question_mark(&self) -> &'static str {
        if self.specials.is_empty() {
            "is allowed only in day of month and day of week"
        } else {
            "must stand alone in its field"
        }
    }

    /// A refusal of a place where something has to stand.
    pub fn missing(&self, gap: Token<'_>, wanted: &str) -> CronError {
        CronError(format!(
            "{}: nothing stands at position {}, wanted is {wanted}",
            self.name, gap.position
        ))
    }
}

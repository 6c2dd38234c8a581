//! Texts from outside: a table of the bounds.
//!
//! PostgreSQL has no character U+0000. A control character in a name could forge lines and columns
//! of a log or a list.

use super::InvalidInput;

/// Longest stored output or error text, in bytes; a longer text is cut.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Name of a job (the length of the reference system's column).
pub const JOB_NAME: Text = Text::line(1, 255);
/// Description of a job or a calendar.
pub const DESCRIPTION: Text = Text::lines(0, 2_000);
/// Tag of a job.
pub const TAG: Text = Text::line(1, 50);
/// Name of a calendar.
pub const CALENDAR_NAME: Text = Text::line(1, 100);
/// Reason of a pause or a cancellation.
pub const REASON: Text = Text::lines(0, 500);
/// Reason of a blackout.
pub const BLACKOUT_REASON: Text = Text::lines(1, 500);
/// Name of a job in a cursor, in lower case: some letters are longer in lower case.
pub const NAME_KEY: Text = Text::line(1, 1_000);
/// Search text of a list.
pub const SEARCH: Text = Text::lines(0, 255);
/// Body of an HTTP request: as long as a payload.
pub const HTTP_BODY: Text = Text::lines(0, 256 * 1024);
/// Name of a user.
pub const USER_NAME: Text = Text::line(1, 100);
/// Password of a user. A new password has a lower bound, too.
pub const PASSWORD: Text = Text::lines(0, 256);
/// Name of an API token.
pub const TOKEN_NAME: Text = Text::line(1, 100);
/// Name of a node.
pub const NODE_NAME: Text = Text::line(1, 255);

/// Unique key of an enqueued run.
pub const UNIQUE_KEY: Text = Text::line(1, 200);

/// The bounds of a text.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    chars_min: usize,
    chars_max: usize,
    one_line: bool,
}

impl Text {
    /// A single line: no control characters.
    const fn line(chars_min: usize, chars_max: usize) -> Self {
        Self {
            chars_min,
            chars_max,
            one_line: true,
        }
    }

    /// Any number of lines, with control characters.
    const fn lines(chars_min: usize, chars_max: usize) -> Self {
        Self {
            chars_min,
            chars_max,
            one_line: false,
        }
    }

    /// Refuses a text too long, with a forbidden character, or too short without the surrounding
    /// white space.
    pub fn check(self, field: &'static str, text: &str) -> Result<(), InvalidInput> {
        match self.problem(text) {
            Some(problem) => Err(InvalidInput::new(field, problem)),
            None => Ok(()),
        }
    }

    fn problem(self, text: &str) -> Option<String> {
        let Self {
            chars_min,
            chars_max,
            one_line,
        } = self;
        if text.trim().chars().take(chars_min).count() < chars_min {
            return Some("must not be empty".to_owned());
        }
        // Bytes first: to count the characters of a large text takes long.
        if text.len() > chars_max
            && (text.len() > 4 * chars_max || text.chars().count() > chars_max)
        {
            return Some(format!("must be at most {chars_max} characters long"));
        }
        if text.contains('\0') {
            return Some("must not hold the character U+0000".to_owned());
        }
        let control = text.chars().find(|char| one_line && char.is_control())?;
        let code = u32::from(control);
        Some(format!(
            "must be one line: it holds the control character U+{code:04X}"
        ))
    }

    /// Checks an optional text.
    pub fn check_given(self, field: &'static str, text: Option<&str>) -> Result<(), InvalidInput> {
        text.map_or(Ok(()), |text| self.check(field, text))
    }

    /// Checks each text of a list.
    pub fn check_each(self, field: &'static str, texts: &[String]) -> Result<(), InvalidInput> {
        for (index, text) in texts.iter().enumerate() {
            if let Some(problem) = self.problem(text) {
                return Err(InvalidInput::of_member(field, index, problem));
            }
        }
        Ok(())
    }
}

/// Makes a text storable, for example the answer of a target: cut at a character, with U+FFFD for
/// U+0000. No answer of a target may block the settlement.
pub fn storable_text(text: &str) -> String {
    let mut text = text.replace('\0', "\u{fffd}");
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_judged_by_its_rule() {
        let refused = |text: Text, value: &str| {
            text.check("x", value)
                .err()
                .map(|invalid| invalid.to_string())
        };
        assert_eq!(refused(JOB_NAME, "report ä"), None);
        assert_eq!(refused(JOB_NAME, &"ä".repeat(255)), None);
        for name in [
            "",
            " ",
            "\n",
            "a\0b",
            "a\nb",
            "a\u{85}b",
            "a\u{1b}[31m",
            &"x".repeat(256),
            &"x".repeat(10_000),
        ] {
            assert!(refused(JOB_NAME, name).is_some(), "{name:?}");
        }
        assert_eq!(refused(DESCRIPTION, "one\n\ttwo"), None);
        assert_eq!(refused(DESCRIPTION, ""), None);
        assert_eq!(
            refused(BLACKOUT_REASON, " "),
            Some("x: must not be empty".to_owned())
        );
        assert_eq!(
            refused(HTTP_BODY, "a\0b"),
            Some("x: must not hold the character U+0000".to_owned())
        );
        assert_eq!(
            refused(TAG, "a\u{7}"),
            Some("x: must be one line: it holds the control character U+0007".to_owned())
        );
    }

    #[test]
    fn text_is_cut_at_a_character_and_loses_nul() {
        assert_eq!(storable_text("a\0b"), "a\u{fffd}b");
        let long = "ä".repeat(TEXT_BYTES_MAX);
        assert_eq!(storable_text(&long).len(), TEXT_BYTES_MAX);
    }
}

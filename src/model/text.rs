//! Texts from outside: what each may hold, in one table.
//!
//! PostgreSQL has no character U+0000, and a control character in a name forges
//! lines and columns wherever the name is shown.

use super::InvalidInput;

/// Longest stored output or error text in bytes; more is cut.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Name of a job (the length of the reference system's column).
pub const JOB_NAME: Text = Text::line(1, 255);
/// What a job or a calendar is for.
pub const DESCRIPTION: Text = Text::lines(0, 2_000);
/// A tag.
pub const TAG: Text = Text::line(1, 50);
/// Name of a calendar.
pub const CALENDAR_NAME: Text = Text::line(1, 100);
/// Why something is paused, held or cancelled.
pub const REASON: Text = Text::lines(0, 500);
/// Why there is a blackout.
pub const BLACKOUT_REASON: Text = Text::lines(1, 500);
/// Name of a job in a cursor: in lower case, which some letters make longer.
pub const NAME_KEY: Text = Text::line(1, 1_000);
/// What a list is searched for.
pub const SEARCH: Text = Text::lines(0, 255);
/// Body of an HTTP request: as large as a payload may be.
pub const HTTP_BODY: Text = Text::lines(0, 256 * 1024);
/// Name of a node.
pub const NODE_NAME: Text = Text::line(1, 255);

/// What a text may hold.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    chars_min: usize,
    chars_max: usize,
    one_line: bool,
}

impl Text {
    /// One line: no control characters.
    const fn line(chars_min: usize, chars_max: usize) -> Self {
        Self {
            chars_min,
            chars_max,
            one_line: true,
        }
    }

    /// Any lines.
    const fn lines(chars_min: usize, chars_max: usize) -> Self {
        Self {
            chars_min,
            chars_max,
            one_line: false,
        }
    }

    /// Refuses a text that is too short without the white space around it, too
    /// long, or holds what it must not.
    pub fn check(self, field: &'static str, text: &str) -> Result<(), InvalidInput> {
        let refuse = |message: String| Err(InvalidInput::new(field, message));
        let Self {
            chars_min,
            chars_max,
            one_line,
        } = self;
        if text.trim().chars().take(chars_min).count() < chars_min {
            return refuse("must not be empty".to_owned());
        }
        // Bytes are counted first: to count the characters of a large text takes long.
        if text.len() > chars_max
            && (text.len() > 4 * chars_max || text.chars().count() > chars_max)
        {
            return refuse(format!("must be at most {chars_max} characters long"));
        }
        if text.contains('\0') {
            return refuse("must not hold the character U+0000".to_owned());
        }
        match text.chars().find(|char| one_line && char.is_control()) {
            Some(control) => refuse(format!(
                "must be one line: it holds the control character U+{:04X}",
                u32::from(control)
            )),
            None => Ok(()),
        }
    }

    /// The same of what may be left out.
    pub fn check_given(self, field: &'static str, text: Option<&str>) -> Result<(), InvalidInput> {
        text.map_or(Ok(()), |text| self.check(field, text))
    }

    /// The same of each of a list.
    pub fn check_each(self, field: &'static str, texts: &[String]) -> Result<(), InvalidInput> {
        let check = |(index, text): (usize, &String)| {
            self.check(field, text)
                .map_err(|invalid| InvalidInput::of_member(field, index, invalid.message))
        };
        texts.iter().enumerate().try_for_each(check)
    }
}

/// Makes a text storable that nobody can be asked to mend, such as the answer of
/// a target: cut at a character, with U+FFFD for U+0000. An odd answer must not
/// block its settlement.
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

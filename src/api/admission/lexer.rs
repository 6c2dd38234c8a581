//! The text of a query, token by token, in one pass and without recursion.
//!
//! The lexer knows the tokens of GraphQL, not the grammar. Its tokens begin and end where the
//! tokens of the parser do, so that no string or comment can hide a bracket. Other characters are
//! refused.

use super::Refusal;
use async_graphql::Pos;
use std::collections::HashSet;

/// Most tokens of a query.
const TOKENS_MAX: usize = 2_000;
/// Most levels of brackets: of selections, arguments, lists and objects. In a debug build the
/// parser and the validation take 25 KB of stack for each level, half of a thread's 2 MB for all.
pub const NESTING_MAX: usize = 40;
/// Most bytes of all names: the search for similar names costs their length times that of the
/// schema.
const NAME_BYTES_MAX: usize = 32 * 1024;

const SYNTAX: &str = "the query cannot be read";

struct Lexer<'a> {
    text: &'a str,
    /// Start of the next token.
    at: usize,
    tokens: usize,
    /// Brackets that are open at this token.
    open: Vec<Bracket<'a>>,
    /// The last token, if it was a name.
    name: Option<&'a str>,
    name_bytes: usize,
}

/// An open bracket, by its kind.
enum Bracket<'a> {
    /// A bracket around fields.
    Selection,
    /// Around arguments, or around the values of a list.
    Values,
    /// Around an object, with the names of its fields. The parser would keep the last of two fields
    /// with the same name.
    Object(HashSet<&'a str>),
}

/// Refuses a text with too many tokens, too many levels of brackets, a repeated name in an object,
/// or an unknown token.
pub fn check(text: &str) -> Result<(), Refusal> {
    let mut lexer = Lexer {
        text,
        at: 0,
        tokens: 0,
        open: Vec::new(),
        name: None,
        name_bytes: 0,
    };
    while lexer.skip_ignored() {
        lexer.token()?;
    }
    Ok(())
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Skips whitespace, commas and comments; whether a token follows.
    fn skip_ignored(&mut self) -> bool {
        loop {
            let rest = self
                .rest()
                // A comma is white space (GraphQL §2.1.5).
                .trim_start_matches([' ', '\t', ',', '\u{feff}', '\r', '\n']);
            self.at = self.text.len() - rest.len();
            if !rest.starts_with('#') {
                return !rest.is_empty();
            }
            self.at += rest.find(['\r', '\n']).unwrap_or(rest.len());
        }
    }

    fn token(&mut self) -> Result<(), Refusal> {
        self.tokens += 1;
        if self.tokens > TOKENS_MAX {
            return Err(self.refuse(format!(
                "the query has more than {TOKENS_MAX} tokens: send lists and large values as \
                 variables"
            )));
        }
        let rest = self.rest();
        // Only a name directly before a colon names a field of an object.
        let name = self.name.take();
        let length = match rest.as_bytes() {
            [bracket @ (b'{' | b'[' | b'('), ..] => self.open(*bracket)?,
            [b'}' | b']' | b')', ..] => {
                // Only the depth counts here; the parser refuses a bracket of another kind.
                self.open.pop();
                1
            }
            [b':', ..] => self.colon(name)?,
            [b'!' | b'$' | b'&' | b'=' | b'@' | b'|', ..] => 1,
            [b'.', b'.', b'.', ..] => 3,
            [b'"', b'"', b'"', ..] => self.block_string()?,
            [b'"', ..] => self.string()?,
            // Wider than a number: the parser refuses `1-2`.
            [b'-' | b'0'..=b'9', ..] => self.run(|byte| {
                byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')
            }),
            [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => self.name()?,
            _ => {
                let shown = rest.chars().take(1).collect::<String>();
                return Err(self.refuse(format!(
                    "{SYNTAX}: `{}` is no part of one",
                    shown.escape_debug()
                )));
            }
        };
        self.at += length;
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Result<usize, Refusal> {
        let in_value = matches!(self.open.last(), Some(Bracket::Values | Bracket::Object(_)));
        self.open.push(match bracket {
            b'{' if in_value => Bracket::Object(HashSet::new()),
            b'{' => Bracket::Selection,
            _ => Bracket::Values,
        });
        if self.open.len() > NESTING_MAX {
            return Err(self.refuse(format!(
                "the query is nested more than {NESTING_MAX} levels deep: send deep values as \
                 variables"
            )));
        }
        Ok(1)
    }

    /// A colon after a name.
    fn colon(&mut self, name: Option<&'a str>) -> Result<usize, Refusal> {
        if let (Some(Bracket::Object(names)), Some(name)) = (self.open.last_mut(), name)
            && !names.insert(name)
        {
            let shown: String = name.chars().take(40).collect();
            return Err(self.refuse(format!(
                "an object holds the name `{shown}` twice: leave one out"
            )));
        }
        Ok(1)
    }

    fn name(&mut self) -> Result<usize, Refusal> {
        let length = self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        self.name_bytes += length;
        if self.name_bytes > NAME_BYTES_MAX {
            return Err(self.refuse(format!(
                "the query has more than {NAME_BYTES_MAX} bytes of names"
            )));
        }
        self.name = self.rest().get(..length);
        Ok(length)
    }

    /// Length of a string with its quotes, in bytes; a string ends on its line.
    fn string(&self) -> Result<usize, Refusal> {
        let mut bytes = self.rest().bytes().enumerate().skip(1);
        while let Some((index, byte)) = bytes.next() {
            match byte {
                b'"' => return Ok(index + 1),
                // The escaped character may be a quote.
                b'\\' => drop(bytes.next()),
                b'\r' | b'\n' => break,
                _ => {}
            }
        }
        Err(self.refuse(format!("{SYNTAX}: a string has no end")))
    }

    /// Length of a block string with its quotes, in bytes; `\"""` does not end it.
    fn block_string(&self) -> Result<usize, Refusal> {
        let mut from = 3;
        while let Some(quotes) = self.rest().get(from..).and_then(|rest| rest.find("\"\"\"")) {
            let at = from + quotes;
            if self.rest().as_bytes().get(at - 1) != Some(&b'\\') {
                return Ok(at + 3);
            }
            from = at + 3;
        }
        Err(self.refuse(format!("{SYNTAX}: a block string has no end")))
    }

    /// Number of bytes of a kind from here on.
    fn run(&self, is_of_kind: impl Fn(u8) -> bool) -> usize {
        self.rest()
            .bytes()
            .take_while(|byte| is_of_kind(*byte))
            .count()
    }

    fn refuse(&self, message: String) -> Refusal {
        let before = &self.text[..self.at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Refusal::new(message).at(Pos {
            line,
            column: before[line_start..].chars().count() + 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;

    fn refusal(text: &str) -> String {
        check(text).expect_err(text).message
    }

    #[test]
    fn tokens_and_brackets_are_bounded() {
        let fields = |count: usize| format!("{{ {} }}", "a ".repeat(count));
        assert_eq!(check(&fields(TOKENS_MAX - 2)), Ok(()));
        assert!(refusal(&fields(TOKENS_MAX - 1)).contains("2000 tokens"));
        for (open, close) in [("{a", "}"), ("[", "]"), ("{a:", "}"), ("(", ")")] {
            let nested = |count: usize| open.repeat(count) + &close.repeat(count);
            assert_eq!(check(&nested(NESTING_MAX)), Ok(()), "{open}");
            assert!(
                refusal(&nested(NESTING_MAX + 1)).contains("40 levels"),
                "{open}"
            );
        }
        assert!(refusal(&format!("{{ {} }}", "n".repeat(NAME_BYTES_MAX + 1))).contains("names"));
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count_and_hide_nothing() {
        let deep = "[".repeat(NESTING_MAX + 1);
        for text in [
            format!("{{ a(x: \"{deep}\") }}"),
            format!("{{ a(x: \"\\\"{deep}\") }}"),
            format!("{{ a(x: \"\"\"{deep}\n\\\"\"\"{deep}\"\"\") }}"),
            format!("# {deep}\n{{ a }}"),
            format!("# {deep}\r{{ a }}"),
        ] {
            assert_eq!(check(&text), Ok(()), "{text}");
            parse_query(&text).expect("the parser reads it the same way");
        }
        for text in [
            format!("{{ a(x: \"\") b(y: {deep}"),
            format!("{{ a(x: \"\"\"\"\"\" y: {deep}"),
            format!("{{ a(x: \"\\\\\" y: {deep}"),
            format!("#\n{deep}"),
            format!("#\r{deep}"),
        ] {
            assert!(refusal(&text).contains("40 levels"), "{text}");
        }
    }

    #[test]
    fn an_object_holds_each_name_once() {
        for text in [
            "{ a(x: {b: 1, c: 2, b: 3}) { id } }",
            "{ a(x: [{b: {c: E, d: F c: G}}]) }",
            "query($v: T = {b: 1 # one\n b: 2}) { a }",
            "{ a @include(if: {b: {} b : 1}) }",
        ] {
            assert!(refusal(text).contains("twice"), "{text}");
        }
        for text in [
            "{ a: b a: b c(x: {b: a, a: b}, y: {b: {b: {b: $b}}}, z: [{b: 1}, {b: 2}]) \
             { a: b a: b } }",
            "query($b: T = {b: \"b: b:\"}, $c: T = {b: 1}) { a(b: $b) a(b: $b) }",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
            parse_query(text).expect("the parser reads it too");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_with_its_place() {
        for text in [
            "{ a(x: \"",
            "{ a(x: \"a\n\") }",
            "{ a(x: \"\"\"a\") }",
            "{ ü }",
            "{ a .. }",
            "{ a; }",
            "\u{0}",
        ] {
            assert!(refusal(text).starts_with(SYNTAX), "{text}");
        }
        assert_eq!(
            check("{\n  a ?\n}").expect_err("no token").at,
            Some(Pos { line: 2, column: 5 })
        );
    }
}

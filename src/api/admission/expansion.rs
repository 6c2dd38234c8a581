//! The size of a query with its fragments expanded, calculated without the expansion.
//!
//! The validation and the execution walk through a fragment again for each spread: twenty fragments
//! of ten spreads are 10²⁰ fields. Here each fragment is counted once, and its count is added at
//! each spread.

use super::Refusal;
use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Name, Pos, Positioned};
use async_graphql_value::Value;
use std::collections::HashMap;
use std::ops::AddAssign;

/// Most selections of all operations and fragments, with all fragments expanded.
const SELECTIONS_MAX: usize = 2_000;
/// Most levels of selections, fragments and spreads included.
const DEPTH_MAX: usize = super::lexer::NESTING_MAX;
/// Most fields of an operation.
const ROOT_FIELDS_MAX: usize = 20;
/// Most aliases, with all fragments expanded.
const ALIASES_MAX: usize = 100;
/// Most directives, with all fragments expanded.
const DIRECTIVES_MAX: usize = 100;
/// Most arguments of one field or directive.
const ARGUMENTS_MAX: usize = 20;
/// Most bytes of the copies of variables for arguments of root fields: each copy is read once.
const ROOT_COPIES_MAX: usize = 16 * 1024 * 1024;
/// Most bytes of the copies for arguments of other fields: each copy is read for each row.
const INNER_COPIES_MAX: usize = 64 * 1024;

/// Bytes of a copy of each variable.
type Weights = HashMap<Name, usize>;

/// The counts; sums saturate.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Size {
    selections: usize,
    /// Fields on the first level.
    fields: usize,
    depth: usize,
    aliases: usize,
    directives: usize,
    /// Bytes of variables copied for arguments of fields on the first level.
    copies: usize,
    /// Bytes of variables copied for all other fields and for directives.
    inner_copies: usize,
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.fields = self.fields.saturating_add(other.fields);
        self.depth = self.depth.max(other.depth);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
        self.copies = self.copies.saturating_add(other.copies);
        self.inner_copies = self.inner_copies.saturating_add(other.inner_copies);
    }
}

impl Size {
    /// The counts at a spread on this level. Below the first level there are no first-level fields.
    fn spread_at(mut self, depth: usize, on_first_level: bool) -> Self {
        self.depth = self.depth.saturating_add(depth);
        if !on_first_level {
            self.fields = 0;
            self.inner_copies = self
                .inner_copies
                .saturating_add(std::mem::take(&mut self.copies));
        }
        self
    }
}

/// An operation or a fragment: its size without its spreads, and the spreads.
struct Definition<'a> {
    size: Size,
    spreads: Vec<Spread<'a>>,
}

struct Spread<'a> {
    fragment: &'a Name,
    pos: Pos,
    depth: usize,
    on_first_level: bool,
}

/// Refuses a document whose expansion is too large.
pub fn check(document: &ExecutableDocument, weights: &Weights) -> Result<(), Refusal> {
    let mut fragments = HashMap::with_capacity(document.fragments.len());
    for (name, fragment) in &document.fragments {
        fragments.insert(name, definition(&fragment.node.selection_set, weights)?);
    }
    let expanded = expand(&fragments)?;
    // The validation walks through each fragment on its own, too.
    let mut whole = Size::default();
    for size in expanded.values() {
        whole += size.spread_at(0, false);
    }
    for (_, operation) in document.operations.iter() {
        let own = definition(&operation.node.selection_set, weights)?;
        let mut size = own.size;
        size.directives = size
            .directives
            .saturating_add(operation.node.directives.len());
        size += spread_sizes(&own, &expanded);
        if size.fields > ROOT_FIELDS_MAX {
            let message = format!(
                "an operation has at most {ROOT_FIELDS_MAX} fields, this one has {}",
                size.fields
            );
            return Err(Refusal::new(message).at(operation.pos));
        }
        whole += size;
    }
    bounded(&whole)
}

fn bounded(size: &Size) -> Result<(), Refusal> {
    let bounds = [
        (
            size.selections,
            SELECTIONS_MAX,
            "selections, with its fragments expanded",
        ),
        (size.depth, DEPTH_MAX, "levels of selections"),
        (size.aliases, ALIASES_MAX, "aliases"),
        (size.directives, DIRECTIVES_MAX, "directives"),
        (
            size.copies,
            ROOT_COPIES_MAX,
            "bytes of variables in all the places that name them",
        ),
        (
            size.inner_copies,
            INNER_COPIES_MAX,
            "bytes of variables in all the places below its first level that name them",
        ),
    ];
    match bounds.into_iter().find(|(size, max, _)| size > max) {
        Some((_, max, of)) => Err(Refusal::new(format!("the query has more than {max} {of}"))),
        None => Ok(()),
    }
}

/// The size of each fragment with its spreads. A fragment waits on the stack for the fragments
/// inside.
fn expand<'a>(
    fragments: &HashMap<&'a Name, Definition<'a>>,
) -> Result<HashMap<&'a Name, Size>, Refusal> {
    let mut expanded: HashMap<&Name, Size> = HashMap::with_capacity(fragments.len());
    for name in fragments.keys() {
        // Each fragment on the stack, with the number of its spreads that were followed.
        let mut waiting: Vec<(&'a Name, usize)> = vec![(*name, 0)];
        while let Some((name, followed)) = waiting.last_mut() {
            // Unknown, or counted for an earlier spread: nothing is left to do.
            let Some(definition) = fragments
                .get(*name)
                .filter(|_| !expanded.contains_key(*name))
            else {
                waiting.pop();
                continue;
            };
            if let Some(spread) = definition.spreads.get(*followed) {
                *followed += 1;
                if waiting.iter().any(|(name, _)| *name == spread.fragment) {
                    let message = format!("the fragment `{}` spreads itself", spread.fragment);
                    return Err(Refusal::new(message).at(spread.pos));
                }
                waiting.push((spread.fragment, 0));
            } else {
                let mut size = definition.size;
                size += spread_sizes(definition, &expanded);
                expanded.insert(*name, size);
            }
        }
    }
    Ok(expanded)
}

/// The spreads of a definition. An unknown fragment counts nothing: the validation refuses it.
fn spread_sizes(definition: &Definition<'_>, expanded: &HashMap<&Name, Size>) -> Size {
    let mut sum = Size::default();
    for spread in &definition.spreads {
        if let Some(size) = expanded.get(spread.fragment) {
            sum += size.spread_at(spread.depth, spread.on_first_level);
        }
    }
    sum
}

/// Counts a definition without its spreads.
fn definition<'a>(
    selection_set: &'a Positioned<SelectionSet>,
    weights: &Weights,
) -> Result<Definition<'a>, Refusal> {
    let mut counted = Definition {
        size: Size::default(),
        spreads: Vec::new(),
    };
    let mut open = vec![(&selection_set.node, 1, true)];
    while let Some((selection_set, depth, on_first_level)) = open.pop() {
        counted.size.depth = counted.size.depth.max(depth);
        for selection in &selection_set.items {
            let mut size = Size {
                selections: 1,
                ..Size::default()
            };
            for directive in selection.node.directives() {
                size.directives += 1;
                size.inner_copies = size
                    .inner_copies
                    .saturating_add(copies(&directive.node.arguments, weights)?);
            }
            match &selection.node {
                Selection::Field(Positioned { node: field, .. }) => {
                    size += field_size(field, weights)?.spread_at(0, on_first_level);
                    if !field.selection_set.node.items.is_empty() {
                        open.push((&field.selection_set.node, depth + 1, false));
                    }
                }
                Selection::InlineFragment(fragment) => {
                    open.push((&fragment.node.selection_set.node, depth + 1, on_first_level));
                }
                Selection::FragmentSpread(spread) => {
                    let (fragment, pos) = (&spread.node.fragment_name.node, spread.pos);
                    counted.spreads.push(Spread {
                        fragment,
                        pos,
                        depth,
                        on_first_level,
                    });
                }
            }
            counted.size += size;
        }
    }
    Ok(counted)
}

/// Counts a field without its selections.
fn field_size(field: &Field, weights: &Weights) -> Result<Size, Refusal> {
    Ok(Size {
        fields: 1,
        aliases: usize::from(field.alias.is_some()),
        copies: copies(&field.arguments, weights)?,
        ..Size::default()
    })
}

/// Bytes of the variables in arguments.
fn copies(
    arguments: &[(Positioned<Name>, Positioned<Value>)],
    weights: &Weights,
) -> Result<usize, Refusal> {
    // This index exists only beyond the bound.
    if let Some((name, _)) = arguments.get(ARGUMENTS_MAX) {
        let message = format!("a field or a directive has at most {ARGUMENTS_MAX} arguments");
        return Err(Refusal::new(message).at(name.pos));
    }
    let (mut bytes, mut open): (usize, Vec<&Value>) =
        (0, arguments.iter().map(|(_, value)| &value.node).collect());
    while let Some(value) = open.pop() {
        match value {
            Value::Variable(name) => {
                bytes = bytes.saturating_add(weights.get(name).copied().unwrap_or(0));
            }
            Value::List(items) => open.extend(items),
            Value::Object(fields) => open.extend(fields.values()),
            _ => {}
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use async_graphql::{Variables, value};

    fn judge(query: &str, variables: &Variables) -> Result<(), String> {
        let weights = crate::api::admission::variables::weights(variables)
            .map_err(|refusal| refusal.message)?;
        let document = parse_query(query).expect(query);
        check(&document, &weights).map_err(|refusal| refusal.message)
    }

    fn refusal(query: &str) -> String {
        judge(query, &Variables::default()).expect_err(query)
    }

    /// `count` fragments, each with `spreads` spreads of the next.
    fn chain(count: usize, spreads: usize) -> String {
        let fragment = |n: usize| {
            let next = if n + 1 == count {
                "a ".to_owned()
            } else {
                format!("...f{} ", n + 1).repeat(spreads)
            };
            format!("fragment f{n} on Query {{ {next} }}")
        };
        format!(
            "query {{ ...f0 }} {}",
            (0..count).map(fragment).collect::<Vec<_>>().join(" ")
        )
    }

    #[test]
    fn fragments_that_multiply_are_counted_in_no_time() {
        let begun = std::time::Instant::now();
        for query in [chain(20, 10), chain(200, 2), chain(60, 25)] {
            let message = refusal(&query);
            assert!(
                message.contains("expanded") || message.contains("20 fields"),
                "{message}"
            );
        }
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
        assert_eq!(judge(&chain(20, 1), &Variables::default()), Ok(()));
        assert!(refusal(&chain(DEPTH_MAX + 1, 1)).contains("levels of selections"));
    }

    #[test]
    fn fragments_that_no_operation_spreads_count_too() {
        let query = chain(20, 10).replace("query { ...f0 }", "query { a }");
        assert!(refusal(&query).contains("expanded"));
    }

    #[test]
    fn cycles_are_refused_whoever_spreads_them() {
        for query in [
            "{ ...A } fragment A on Q { a ...A }",
            "{ ...A } fragment A on Q { ...B } fragment B on Q { x { ...A } }",
            "{ a } fragment A on Q { ...B } fragment B on Q { ... { ...A } }",
        ] {
            assert!(refusal(query).contains("spreads itself"), "{query}");
        }
        assert_eq!(
            judge(
                "{ ...A ...B } fragment A on Q { ...B } fragment B on Q { a }",
                &Variables::default()
            ),
            Ok(())
        );
    }

    #[test]
    fn fields_of_the_operation_count_however_they_are_spread() {
        let many = |count: usize| {
            (0..count)
                .map(|n| format!("a{n}: a"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            judge(&format!("{{ {} }}", many(20)), &Variables::default()),
            Ok(())
        );
        for query in [
            format!("{{ {} }}", many(21)),
            format!("{{ ... {{ ... on Q {{ {} }} }} }}", many(21)),
            format!("{{ ...A ...A }} fragment A on Q {{ {} }}", many(11)),
            format!("{{ {} }}", "__typename ".repeat(21)),
            format!("mutation {{ {} }}", "a ".repeat(21)),
        ] {
            assert!(refusal(&query).contains("at most 20 fields"), "{query}");
        }
        assert_eq!(
            judge(
                &format!("{{ x {{ {} }} }}", "a ".repeat(1_000)),
                &Variables::default()
            ),
            Ok(())
        );
    }

    #[test]
    fn aliases_directives_and_arguments_are_bounded() {
        let aliases = (0..101)
            .map(|n| format!("a{n}: a"))
            .collect::<Vec<_>>()
            .join(" ");
        assert!(refusal(&format!("{{ x {{ {aliases} }} }}")).contains("100 aliases"));
        let directives = "a @skip(if: false) ".repeat(101);
        assert!(refusal(&format!("{{ x {{ {directives} }} }}")).contains("100 directives"));
        let arguments = (0..21)
            .map(|n| format!("a{n}: 1"))
            .collect::<Vec<_>>()
            .join(" ");
        assert!(refusal(&format!("{{ x({arguments}) }}")).contains("20 arguments"));
        assert!(refusal(&format!("{{ x @d({arguments}) }}")).contains("20 arguments"));
    }

    #[test]
    fn copies_of_large_variables_are_bounded() {
        let variables = Variables::from_value(value!({"v": "x".repeat(1_000_000)}));
        assert_eq!(
            judge("query($v: String) { a(x: [{y: $v}]) }", &variables),
            Ok(())
        );
        assert!(judge("query($v: String) { a { b(x: $v) } }", &variables).is_err());
        assert!(judge("query($v: String) { a @skip(if: $v) }", &variables).is_err());
        let often = format!("query($v: String) {{ {} }}", "a(x: [$v, $v]) ".repeat(9));
        assert!(
            judge(&often, &variables)
                .expect_err("copied 18 times")
                .contains("bytes of variables")
        );
        let spread = "query($v: String) { x { ...A } } fragment A on Q { a(x: $v) }";
        assert!(
            judge(spread, &variables).is_err(),
            "below the first level where it is spread"
        );
    }
}

//! Fields that cannot be merged, found before the validation.
//!
//! The validation reports each pair: 800 fields next to one of 300 arguments, inside 30 fragments,
//! are 7 million errors of 200 bytes. Here the first conflict ends the request.

use super::Refusal;
use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Name, Positioned};
use std::collections::{HashMap, HashSet};

/// Refuses a document in which one name of the answer has two meanings.
pub fn check(document: &ExecutableDocument) -> Result<(), Refusal> {
    let operations = document
        .operations
        .iter()
        .map(|(_, operation)| &operation.node.selection_set);
    let fragments = document
        .fragments
        .values()
        .map(|fragment| &fragment.node.selection_set);
    let mut open: Vec<&SelectionSet> = operations.chain(fragments).map(|set| &set.node).collect();
    while let Some(selection_set) = open.pop() {
        check_one(document, selection_set)?;
        for selection in &selection_set.items {
            match &selection.node {
                Selection::Field(field) => open.push(&field.node.selection_set.node),
                Selection::InlineFragment(fragment) => open.push(&fragment.node.selection_set.node),
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    Ok(())
}

/// The fields of one selection set, with its fragments expanded.
fn check_one(document: &ExecutableDocument, selection_set: &SelectionSet) -> Result<(), Refusal> {
    let mut fields: HashMap<(Option<&Name>, &Name), &Field> = HashMap::new();
    let (mut spread, mut open) = (HashSet::new(), vec![(None, selection_set)]);
    while let Some((on, selection_set)) = open.pop() {
        for selection in &selection_set.items {
            match &selection.node {
                Selection::Field(Positioned { node: field, pos }) => {
                    let name = &field.response_key().node;
                    // Fields below different type conditions do not meet: a row has one type.
                    let first = fields.entry((on, name)).or_insert(field);
                    if !is_same(first, field) {
                        let message = format!(
                            "`{name}` stands for two different fields, or for one with different \
                              arguments: give one an alias"
                        );
                        return Err(Refusal::new(message).at(*pos));
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment
                        .node
                        .type_condition
                        .as_ref()
                        .map(|condition| &condition.node.on.node);
                    open.push((on, &fragment.node.selection_set.node));
                }
                Selection::FragmentSpread(name) => {
                    let fragment = document.fragments.get(&name.node.fragment_name.node);
                    if let Some(fragment) =
                        fragment.filter(|_| spread.insert(&name.node.fragment_name.node))
                    {
                        let on = Some(&fragment.node.type_condition.node.on.node);
                        open.push((on, &fragment.node.selection_set.node));
                    }
                }
            }
        }
    }
    Ok(())
}

fn is_same(one: &Field, other: &Field) -> bool {
    // The first field of a name is compared with itself.
    std::ptr::eq(one, other)
        || one.name.node == other.name.node
            && one.arguments.len() == other.arguments.len()
            && one.arguments.iter().all(|(name, value)| {
                other
                    .get_argument(&name.node)
                    .is_some_and(|other| other.node == value.node)
            })
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;

    fn judge(query: &str) -> Result<(), String> {
        check(&parse_query(query).expect(query)).map_err(|refusal| refusal.message)
    }

    #[test]
    fn one_name_for_two_things_is_refused_and_for_one_thing_is_not() {
        for query in [
            "{ a: b a: c }",
            "{ a(x: 1) a(x: 2) }",
            "{ a(x: 1) a }",
            "{ x { ... { a } ... { a(x: 1) } } }",
            "{ a ...F } fragment F on Q { ... on Q { x { b: c b } } }",
            "{ ...F ...G } fragment F on Q { a: b } fragment G on Q { a }",
        ] {
            assert!(judge(query).is_err(), "{query}");
        }
        for query in [
            "{ a a a(x: 1) }"
                .replace("a(x: 1)", "b(x: 1) b(x: 1)")
                .as_str(),
            "{ a { b } a { c } }",
            "{ x { ... on A { a: b } ... on B { a: c } } }",
            "{ ...F ...F } fragment F on Q { a(x: {y: [1]}) a(x: {y: [1]}) }",
        ] {
            assert_eq!(judge(query), Ok(()), "{query}");
        }
    }
}

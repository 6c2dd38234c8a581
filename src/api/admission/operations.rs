//! The executed operation of a document.
//!
//! A document may have several operations; a request names one and has its variables (GraphQL
//! §6.1). The validation calculates the cost of every operation, and requires the variables of all
//! of them. The others are therefore removed, after the check of the whole document's size.

use super::Refusal;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, Positioned};
use std::collections::{HashMap, HashSet};

/// The document without the other operations, and without the fragments that only they spread; none
/// when nothing is removed.
pub fn only_executed(
    document: &ExecutableDocument,
    name: Option<&str>,
) -> Result<Option<ExecutableDocument>, Refusal> {
    let DocumentOperations::Multiple(operations) = &document.operations else {
        return Ok(None);
    };
    if operations.len() < 2 {
        return Ok(None);
    }
    let name = name.ok_or_else(|| {
        Refusal::new("the query has several operations: say which by `operationName`")
    })?;
    let Some((name, executed)) = operations.get_key_value(name) else {
        return Err(Refusal::new(format!("Unknown operation named \"{name}\"")));
    };
    let others = operations
        .iter()
        .filter(|(other, _)| *other != name)
        .map(|(_, operation)| operation);
    let (used, unused) = (spread_by(document, [executed]), spread_by(document, others));
    let mut fragments = document.fragments.clone();
    // A fragment without a spread stays: the validation refuses it.
    fragments.retain(|fragment, _| used.contains(fragment) || !unused.contains(fragment));
    let operations =
        DocumentOperations::Multiple(HashMap::from([(name.clone(), executed.clone())]));
    Ok(Some(ExecutableDocument {
        operations,
        fragments,
    }))
}

/// Whether the executed operation is a query; the others are removed before.
pub fn is_query(document: &ExecutableDocument) -> bool {
    document
        .operations
        .iter()
        .all(|(_, operation)| operation.node.ty == OperationType::Query)
}

/// The fragments that some operations spread, also inside fragments.
fn spread_by<'a>(
    document: &'a ExecutableDocument,
    operations: impl IntoIterator<Item = &'a Positioned<OperationDefinition>>,
) -> HashSet<&'a Name> {
    let sets = operations
        .into_iter()
        .map(|operation| &operation.node.selection_set.node);
    let (mut open, mut spread): (Vec<&SelectionSet>, HashSet<&Name>) =
        (sets.collect(), HashSet::new());
    while let Some(selections) = open.pop() {
        for selection in &selections.items {
            match &selection.node {
                Selection::Field(field) => open.push(&field.node.selection_set.node),
                Selection::InlineFragment(inline) => open.push(&inline.node.selection_set.node),
                Selection::FragmentSpread(found) => {
                    let name = &found.node.fragment_name.node;
                    if spread.insert(name) {
                        open.extend(
                            document
                                .fragments
                                .get(name)
                                .map(|fragment| &fragment.node.selection_set.node),
                        );
                    }
                }
            }
        }
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;

    /// The names of the remaining operations and fragments.
    fn left(query: &str, name: Option<&str>) -> Result<Option<Vec<String>>, String> {
        let document = only_executed(&parse_query(query).expect(query), name)
            .map_err(|refusal| refusal.message)?;
        Ok(document.map(|document| {
            let operations = document.operations.iter().filter_map(|(name, _)| name);
            let mut names: Vec<_> = operations
                .chain(document.fragments.keys())
                .map(ToString::to_string)
                .collect();
            names.sort();
            names
        }))
    }

    #[test]
    fn the_named_operation_is_left_with_its_fragments() {
        let query = "query A { ...F x { ...G } } query B { ...G ... on Q { ...H } }
            fragment F on Q { a } fragment G on X { ...I } fragment H on Q { b ...H }
            fragment I on X { c }
            fragment Nobodys on Q { d }";
        let names = |names: &[&str]| {
            Ok(Some(
                names.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ))
        };
        assert_eq!(
            left(query, Some("A")),
            names(&["A", "F", "G", "I", "Nobodys"])
        );
        assert_eq!(
            left(query, Some("B")),
            names(&["B", "G", "H", "I", "Nobodys"])
        );
    }

    #[test]
    fn one_operation_stays_and_one_of_several_must_be_named() {
        assert_eq!(left("{ a }", None), Ok(None));
        assert_eq!(
            left("query A { a }", Some("B")),
            Ok(None),
            "the execution says that there is none"
        );
        assert!(
            left("query A { a } query B { b }", None)
                .is_err_and(|message| message.contains("operationName"))
        );
        assert!(
            left("query A { a } query B { b }", Some("C"))
                .is_err_and(|message| message.contains("\"C\""))
        );
    }
}

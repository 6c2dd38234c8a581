//! Variables without a value: an argument or an input field with one of them is left out.
//!
//! GraphQL (§6.4.1): if no value and no default is given for a variable, the argument is treated as
//! not given, and its own default applies. In a list the value is null. async-graphql reads null
//! everywhere: `role: $role` without a value would take a role away.

use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field, OperationDefinition, Selection,
    SelectionSet,
};
use async_graphql::{Name, Positioned, Variables};
use async_graphql_value::Value;
use std::collections::HashSet;

/// The arguments of a field or a directive.
type Arguments = Vec<(Positioned<Name>, Positioned<Value>)>;

/// The document without the optional variables that have no value; none when each has one. The
/// document has one operation.
pub fn without_absent(
    document: &ExecutableDocument,
    variables: &Variables,
) -> Option<ExecutableDocument> {
    let (_, operation) = document.operations.iter().next()?;
    let absent = absent(&operation.node, variables);
    if absent.is_empty() {
        return None;
    }
    let mut document = document.clone();
    let mut absent = Absent {
        names: absent,
        removed: HashSet::new(),
    };
    for fragment in document.fragments.values_mut() {
        absent.remove_from(&mut fragment.node.selection_set.node);
    }
    let operation = match &mut document.operations {
        DocumentOperations::Single(operation) => &mut operation.node,
        DocumentOperations::Multiple(operations) => &mut operations.values_mut().next()?.node,
    };
    absent.remove_from(&mut operation.selection_set.node);
    // The validation refuses a declared variable without a use. A variable that had no use before
    // keeps its declaration, and is refused.
    operation
        .variable_definitions
        .retain(|declared| !absent.removed.contains(&declared.node.name.node));
    Some(document)
}

/// The declared variables without a value, a default, and a `!`.
fn absent(operation: &OperationDefinition, variables: &Variables) -> HashSet<Name> {
    let declared = operation.variable_definitions.iter();
    declared
        .map(|declared| &declared.node)
        .filter(|declared| declared.var_type.node.nullable && declared.default_value.is_none())
        .map(|declared| &declared.name.node)
        .filter(|name| !variables.contains_key(*name))
        .cloned()
        .collect()
}

/// Variables without a value.
struct Absent {
    names: HashSet<Name>,
    /// Those that had a use.
    removed: HashSet<Name>,
}

impl Absent {
    fn remove_from(&mut self, selections: &mut SelectionSet) {
        let mut open = vec![selections];
        while let Some(selections) = open.pop() {
            for selection in &mut selections.items {
                match &mut selection.node {
                    Selection::Field(field) => {
                        let Field {
                            arguments,
                            directives,
                            selection_set,
                            ..
                        } = &mut field.node;
                        self.remove_from_arguments(arguments);
                        self.remove_from_directives(directives);
                        open.push(&mut selection_set.node);
                    }
                    Selection::InlineFragment(inline) => {
                        self.remove_from_directives(&mut inline.node.directives);
                        open.push(&mut inline.node.selection_set.node);
                    }
                    Selection::FragmentSpread(spread) => {
                        self.remove_from_directives(&mut spread.node.directives);
                    }
                }
            }
        }
    }

    fn remove_from_directives(&mut self, directives: &mut [Positioned<Directive>]) {
        for directive in directives {
            self.remove_from_arguments(&mut directive.node.arguments);
        }
    }

    fn remove_from_arguments(&mut self, arguments: &mut Arguments) {
        arguments.retain(|(_, value)| !self.is_absent(&value.node));
        let values = arguments.iter_mut().map(|(_, value)| &mut value.node);
        let mut open: Vec<&mut Value> = values.collect();
        while let Some(value) = open.pop() {
            match value {
                Value::Object(fields) => {
                    fields.retain(|_, value| !self.is_absent(value));
                    open.extend(fields.values_mut());
                }
                Value::List(items) => {
                    for item in items {
                        // The place of an item counts: it stays, as null.
                        if self.is_absent(item) {
                            *item = Value::Null;
                        }
                        open.push(item);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether the value is such a variable; notes the use.
    fn is_absent(&mut self, value: &Value) -> bool {
        let Value::Variable(name) = value else {
            return false;
        };
        let is_absent = self.names.contains(name);
        if is_absent {
            self.removed.insert(name.clone());
        }
        is_absent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use serde_json::json;

    fn pruned(query: &str, variables: serde_json::Value) -> Option<ExecutableDocument> {
        let document = parse_query(query).expect("the query is valid");
        without_absent(&document, &Variables::from_json(variables))
    }

    fn root(document: &ExecutableDocument) -> (String, usize) {
        let (_, operation) = document.operations.iter().next().expect("one operation");
        let Selection::Field(field) = &operation.node.selection_set.node.items[0].node else {
            panic!("the first selection is a field");
        };
        let arguments = field.node.arguments.iter();
        let arguments = arguments.map(|(name, value)| format!("{}: {}", name.node, value.node));
        (
            arguments.collect::<Vec<_>>().join(", "),
            operation.node.variable_definitions.len(),
        )
    }

    #[test]
    fn an_argument_with_an_absent_variable_is_left_out() {
        let query = "query ($a: Int, $b: Int) { f(a: $a, b: $b) }";
        let document = pruned(query, json!({"b": 2})).expect("a is absent");
        assert_eq!(root(&document), ("b: $b".to_owned(), 1));
        let document = pruned(query, json!({"b": 2, "a": null}));
        assert!(document.is_none(), "null is a value");
    }

    #[test]
    fn an_input_field_is_left_out_and_an_item_of_a_list_is_null() {
        let query = "query ($a: Int) { f(in: {a: $a, b: [{c: $a}, $a], d: 1}) }";
        let document = pruned(query, json!({})).expect("a is absent");
        let (arguments, declared) = root(&document);
        assert_eq!(arguments, "in: {b: [{}, null], d: 1}");
        assert_eq!(declared, 0);
    }

    #[test]
    fn a_default_a_bang_and_an_unused_variable_stay() {
        for query in [
            "query ($a: Int = 1) { f(a: $a) }",
            "query ($a: Int!) { f(a: $a) }",
        ] {
            assert!(pruned(query, json!({})).is_none(), "{query}");
        }
        let unused = pruned("query ($a: Int) { f }", json!({})).expect("a is absent");
        assert_eq!(root(&unused).1, 1, "the validation refuses it");
    }

    #[test]
    fn fragments_and_directives_are_pruned_too() {
        let query = "query ($a: Int) { ...F @d(a: $a) ... @d(a: $a) { g(a: $a) } } \
                     fragment F on Query { f(a: $a) { h(a: $a) } }";
        let document = pruned(query, json!({})).expect("a is absent");
        assert!(
            !format!("{document:?}").contains("Variable"),
            "{document:?}"
        );
    }
}

//! Values of arguments that pass the validation and would be refused later without their place:
//! integers of more than 32 bits, bad times, other values than objects, variables without a value.

use super::Refusal;
use crate::api::{date_time, errors};
use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationType, Selection, SelectionSet, VariableDefinition,
};
use async_graphql::registry::{MetaField, MetaType, MetaTypeName};
use async_graphql::{Name, Positioned, Value, Variables};
use std::collections::{BTreeMap, HashSet};

/// The types of a schema by their names.
type Types = BTreeMap<String, MetaType>;

/// Source of the values of variables.
struct Given<'a> {
    types: &'a Types,
    declared: &'a [Positioned<VariableDefinition>],
    variables: &'a Variables,
}

/// Refuses the first such value of the executed operation, with its place.
pub fn check(
    document: &ExecutableDocument,
    operation: Option<&str>,
    variables: &Variables,
    types: &Types,
) -> Result<(), Refusal> {
    let mut operations = document.operations.iter();
    let executed =
        operations.find(|(name, _)| operation.is_none() || name.map(Name::as_str) == operation);
    let Some((_, executed)) = executed else {
        return Ok(()); // the execution says that there is none
    };
    let given = Given {
        types,
        declared: &executed.node.variable_definitions,
        variables,
    };
    let root = match executed.node.ty {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    };
    let mut open: Vec<(&SelectionSet, &str)> = vec![(&executed.node.selection_set.node, root)];
    let mut seen = HashSet::new();
    while let Some((selections, of)) = open.pop() {
        for selection in &selections.items {
            match &selection.node {
                Selection::Field(field) => {
                    // The validation refuses an unknown field, with the names that are similar.
                    let Some(found) = field_of(types, of, &field.node) else {
                        continue;
                    };
                    given.check(&field.node, found)?;
                    open.push((
                        &field.node.selection_set.node,
                        MetaTypeName::concrete_typename(&found.ty),
                    ));
                }
                Selection::InlineFragment(inline) => {
                    let condition = inline
                        .node
                        .type_condition
                        .as_ref()
                        .map(|on| on.node.on.node.as_str());
                    open.push((&inline.node.selection_set.node, condition.unwrap_or(of)));
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    // Once for each fragment: its arguments have the same values at every spread.
                    if let Some(fragment) =
                        document.fragments.get(name).filter(|_| seen.insert(name))
                    {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        open.push((&fragment.node.selection_set.node, on));
                    }
                }
            }
        }
    }
    Ok(())
}

fn field_of<'a>(types: &'a Types, of: &str, field: &Field) -> Option<&'a MetaField> {
    match types.get(of) {
        Some(MetaType::Object { fields, .. } | MetaType::Interface { fields, .. }) => {
            fields.get(field.name.node.as_str())
        }
        _ => None,
    }
}

impl Given<'_> {
    fn check(&self, field: &Field, found: &MetaField) -> Result<(), Refusal> {
        for (name, value) in &field.arguments {
            let Some(argument) = found.args.get(name.node.as_str()) else {
                continue;
            };
            let constant = value
                .node
                .clone()
                .into_const_with(|variable| self.variable(&variable));
            let flaw = match constant {
                Ok(constant) => self.flaw(&argument.ty, &constant),
                Err(flaw) => Some(flaw),
            };
            if let Some(flaw) = flaw {
                return Err(flaw.refusal(&argument.name).at(value.pos));
            }
        }
        Ok(())
    }

    fn variable(&self, name: &Name) -> Result<Value, Flaw> {
        let Some(declared) = self
            .declared
            .iter()
            .find(|declared| declared.node.name.node == *name)
        else {
            return Ok(Value::Null); // the validation says that it is not declared
        };
        let value = self
            .variables
            .get(name)
            .or_else(|| declared.node.default_value());
        value
            .cloned()
            .ok_or_else(|| Flaw::new(format!("the variable `{name}` is not given")))
    }

    /// Finds the flaw of a value. The depth is that of the types of the schema, whatever the depth
    /// of the value.
    fn flaw(&self, of: &str, value: &Value) -> Option<Flaw> {
        match (MetaTypeName::create(of), value) {
            (_, Value::Null) => None,
            (MetaTypeName::List(of), Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    if let Some(flaw) = self.flaw(of, item) {
                        return Some(flaw.inside(&index));
                    }
                }
                None
            }
            // GraphQL accepts a single value for a list.
            (MetaTypeName::NonNull(of) | MetaTypeName::List(of), _) => self.flaw(of, value),
            (MetaTypeName::Named("Int"), Value::Number(number)) => {
                let is_too_large = number
                    .as_i64()
                    .is_some_and(|number| i32::try_from(number).is_err());
                is_too_large.then(|| {
                    let reason = format!("expected an integer from {} to {}", i32::MIN, i32::MAX);
                    Flaw::new(reason)
                })
            }
            (MetaTypeName::Named("DateTime"), _) => date_time::read(value).err().map(Flaw::of_time),
            (MetaTypeName::Named(of), _) => match (self.types.get(of)?, value) {
                (MetaType::InputObject { input_fields, .. }, Value::Object(fields)) => {
                    for (name, value) in fields {
                        // The validation reports an unknown field.
                        let Some(field) = input_fields.get(name.as_str()) else {
                            continue;
                        };
                        if let Some(flaw) = self.flaw(&field.ty, value) {
                            return Some(flaw.inside(name));
                        }
                    }
                    None
                }
                (MetaType::InputObject { .. }, _) => {
                    Some(Flaw::new(format!("expected type \"{of}\"")))
                }
                _ => None,
            },
        }
    }
}

/// A flaw, and its place below the argument, innermost name first.
struct Flaw {
    reason: String,
    places: Vec<String>,
    is_of_time: bool,
}

impl Flaw {
    fn new(reason: String) -> Self {
        Self {
            reason,
            places: Vec::new(),
            is_of_time: false,
        }
    }

    /// A flaw of a time, in the words of the model.
    fn of_time(reason: String) -> Self {
        Self {
            is_of_time: true,
            ..Self::new(reason)
        }
    }

    fn inside(mut self, place: &impl ToString) -> Self {
        self.places.push(place.to_string());
        self
    }

    /// In the words of the validation, or of the model for a time.
    fn refusal(mut self, argument: &str) -> Refusal {
        self.places.push(argument.to_owned());
        self.places.reverse();
        let place = self.places.join(".");
        if self.is_of_time {
            return Refusal::of_field(errors::field(&place), &self.reason);
        }
        Refusal::new(format!(
            "Invalid value for argument \"{place}\", {}",
            self.reason
        ))
    }
}

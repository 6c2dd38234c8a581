//! The variables of a request: their depth, the cost of a copy of each, and their types.

use super::Refusal;
use async_graphql::parser::types::{BaseType, ExecutableDocument};
use async_graphql::{Name, Value, Variables};
use std::collections::HashMap;

/// Most levels of a variable's value; a payload may take up to 64 of them.
pub const NESTING_MAX: usize = 100;
/// Bytes of a value without its text.
const VALUE_BYTES: usize = 8;

/// Bytes of a copy of each variable, estimated: validation and execution copy a variable for each
/// use.
pub fn weights(variables: &Variables) -> Result<HashMap<Name, usize>, Refusal> {
    variables
        .iter()
        .map(|(name, value)| Ok((name.clone(), weight(value).ok_or_else(|| too_deep(name))?)))
        .collect()
}

/// None for a value with too many levels.
fn weight(value: &Value) -> Option<usize> {
    let (mut weight, mut open) = (0, vec![(value, 1)]);
    while let Some((value, depth)) = open.pop() {
        if depth > NESTING_MAX {
            return None;
        }
        weight += VALUE_BYTES;
        match value {
            Value::List(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(fields) => {
                weight += fields.keys().map(|name| name.len()).sum::<usize>();
                open.extend(fields.values().map(|field| (field, depth + 1)));
            }
            Value::String(text) => weight += text.len(),
            Value::Enum(name) => weight += name.len(),
            Value::Binary(bytes) => weight += bytes.len(),
            Value::Null | Value::Number(_) | Value::Boolean(_) => {}
        }
    }
    Some(weight)
}

/// Refuses a variable of an unknown type: the validation panics at a default for a list of such a
/// type.
pub fn check_types(
    document: &ExecutableDocument,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    for (_, operation) in document.operations.iter() {
        for variable in &operation.node.variable_definitions {
            let mut of = &variable.node.var_type.node.base;
            while let BaseType::List(item) = of {
                of = &item.base;
            }
            if let BaseType::Named(name) = of
                && !is_known(name)
            {
                return Err(Refusal::new(format!("Unknown type \"{name}\"")).at(variable.pos));
            }
        }
    }
    Ok(())
}

fn too_deep(name: &str) -> Refusal {
    let shown: String = name.chars().take(40).collect();
    Refusal::new(format!(
        "the variable `{}` is nested more than {NESTING_MAX} levels deep",
        shown.escape_debug()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use async_graphql::value;

    fn nested(depth: usize) -> Variables {
        let list = (1..depth).fold(Value::Null, |value, _| Value::List(vec![value]));
        Variables::from_value(value!({ "deep": list }))
    }

    #[test]
    fn the_nesting_of_a_variable_is_bounded() {
        assert!(weights(&nested(NESTING_MAX)).is_ok());
        let refusal = weights(&nested(NESTING_MAX + 1)).expect_err("too deep");
        assert!(refusal.message.contains("`deep`"), "{}", refusal.message);
    }

    #[test]
    fn variables_of_types_that_there_are_not_are_refused() {
        let judge = |of: &str| {
            let document = parse_query(format!("query($v: {of} = 1) {{ a }}")).expect(of);
            check_types(&document, |name| name == "Int")
        };
        for of in ["Nothing", "Nothing!", "[Nothing]", "[[Nothing!]!]!"] {
            assert!(judge(of).expect_err(of).message.contains("Nothing"));
        }
        assert_eq!((judge("Int"), judge("[[Int!]]!")), (Ok(()), Ok(())));
    }

    #[test]
    fn a_copy_costs_its_text_and_its_values() {
        let variables = Variables::from_value(value!({"v": {"ab": ["cde", 1, null]}}));
        let weights = weights(&variables).expect("not deep");
        assert_eq!(weights[&Name::new("v")], 2 + 3 + 5 * VALUE_BYTES);
    }
}

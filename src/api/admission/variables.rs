//! The variables of a request: how deep they are, and what a copy of each costs.

use super::Refusal;
use async_graphql::{Name, Value, Variables};
use std::collections::HashMap;

/// Nesting of a variable's value at most; a payload may take up to 64 levels of it.
pub const NESTING_MAX: usize = 100;
/// Bytes that a value costs besides its text.
const VALUE_BYTES: usize = 8;

/// Bytes that a copy of each variable costs, about: validation and execution copy it for each place that names it.
pub fn weights(variables: &Variables) -> Result<HashMap<Name, usize>, Refusal> {
    variables.iter().map(|(name, value)| Ok((name.clone(), weight(value).ok_or_else(|| too_deep(name))?))).collect()
}

/// None for a value that is nested too deep.
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

fn too_deep(name: &str) -> Refusal {
    let shown: String = name.chars().take(40).collect();
    Refusal::new(format!("the variable `{}` is nested more than {NESTING_MAX} levels deep", shown.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn a_copy_costs_its_text_and_its_values() {
        let variables = Variables::from_value(value!({"v": {"ab": ["cde", 1, null]}}));
        let weights = weights(&variables).expect("not deep");
        assert_eq!(weights[&Name::new("v")], 2 + 3 + 5 * VALUE_BYTES);
    }
}

//! The schema as the walker needs it: root fields, arguments, and the fields of each type.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition,
};
use std::collections::{BTreeMap, BTreeSet};

/// An argument or an input field.
#[derive(Debug, Clone)]
pub struct Input {
    pub name: String,
    pub of: Type,
    pub is_needed: bool,
}

/// A field of an object.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub of: Type,
    pub arguments: Vec<Input>,
}

/// The types by name.
pub struct Types {
    pub objects: BTreeMap<String, Vec<Field>>,
    pub inputs: BTreeMap<String, Vec<Input>>,
    pub enums: BTreeMap<String, Vec<String>>,
}

impl Types {
    pub fn of_the_api() -> Self {
        let sdl = parse_schema(horolog::api::sdl()).unwrap();
        let mut types = Self {
            objects: BTreeMap::new(),
            inputs: BTreeMap::new(),
            enums: BTreeMap::new(),
        };
        for definition in sdl.definitions {
            let TypeSystemDefinition::Type(definition) = definition else {
                continue;
            };
            let name = definition.node.name.node.to_string();
            match definition.node.kind {
                TypeKind::Object(object) => {
                    let fields = object.fields.into_iter().map(|field| Field::of(field.node));
                    types.objects.insert(name, fields.collect());
                }
                TypeKind::InputObject(object) => {
                    let fields = object
                        .fields
                        .into_iter()
                        .map(|field| Input::of(&field.node));
                    types.inputs.insert(name, fields.collect());
                }
                TypeKind::Enum(of) => {
                    let values = of.values.into_iter();
                    let values = values.map(|value| value.node.value.node.to_string());
                    types.enums.insert(name, values.collect());
                }
                _ => {}
            }
        }
        types
    }

    /// All root fields, arguments and input fields, as the walker notes their use.
    pub fn places(&self) -> BTreeSet<String> {
        let mut places = BTreeSet::new();
        for root in ["Query", "Mutation", "Subscription"] {
            for field in &self.objects[root] {
                places.insert(format!("{root}.{}", field.name));
                for argument in &field.arguments {
                    places.insert(format!("{}({})", field.name, argument.name));
                }
            }
        }
        for (name, fields) in &self.inputs {
            for field in fields {
                places.insert(format!("{name}.{}", field.name));
            }
        }
        places
    }
}

impl Field {
    fn of(field: FieldDefinition) -> Self {
        let arguments = field.arguments.iter();
        Self {
            name: field.name.node.to_string(),
            arguments: arguments
                .map(|argument| Input::of(&argument.node))
                .collect(),
            of: field.ty.node,
        }
    }
}

impl Input {
    fn of(input: &InputValueDefinition) -> Self {
        Self {
            name: input.name.node.to_string(),
            is_needed: !input.ty.node.nullable && input.default_value.is_none(),
            of: input.ty.node.clone(),
        }
    }
}

/// The name of a type without its lists.
pub fn bare(of: &Type) -> &str {
    match &of.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => bare(inner),
    }
}

//! `docs/reference/graphql.md` from the served schema, and the codes of `docs/reference/errors.md`.

use super::{GENERATED, assert_written, cell, code, read};
use async_graphql::Positioned;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, ServiceDocument, Type, TypeDefinition, TypeKind,
    TypeSystemDefinition,
};
use std::collections::BTreeSet;
use std::fmt::Write;

const INTRODUCTION: &str = "# GraphQL

The schema of the [API](../api.md). Times are RFC 3339 with milliseconds, UTC. `ID` is a UUID.
";

/// The operations of a page, in the order of the reader; every other type follows by kind.
const OPERATIONS: [(&str, &str); 3] = [
    ("Query", "Queries"),
    ("Mutation", "Mutations"),
    ("Subscription", "Subscriptions"),
];

fn types(document: &ServiceDocument) -> Vec<&TypeDefinition> {
    let types = document
        .definitions
        .iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some(&definition.node),
            _ => None,
        });
    types.collect()
}

/// A type with a link to its section.
fn linked(shown: &Type, sections: &BTreeSet<String>) -> String {
    let text = shown.to_string();
    let name = text.trim_matches(['[', ']', '!']);
    if sections.contains(name) {
        format!("[{}](#{})", code(&text), name.to_lowercase())
    } else {
        code(&text)
    }
}

fn text(description: Option<&Positioned<String>>) -> String {
    description
        .map(|text| cell(&text.node).replace('<', "&lt;"))
        .unwrap_or_default()
}

fn argument(argument: &InputValueDefinition) -> String {
    let default = argument
        .default_value
        .as_ref()
        .map(|value| format!(" = {}", value.node))
        .unwrap_or_default();
    format!("{}: {}{default}", argument.name.node, argument.ty.node)
}

fn fields(fields: &[Positioned<FieldDefinition>], sections: &BTreeSet<String>) -> String {
    let mut table = "| field | type | meaning |\n|---|---|---|\n".to_owned();
    for field in fields.iter().map(|field| &field.node) {
        let arguments: Vec<_> = field
            .arguments
            .iter()
            .map(|one| argument(&one.node))
            .collect();
        let signature = match arguments.as_slice() {
            [] => field.name.node.to_string(),
            arguments => format!("{}({})", field.name.node, arguments.join(", ")),
        };
        let described = field.arguments.iter().filter_map(|one| {
            let meaning = text(one.node.description.as_ref());
            (!meaning.is_empty()).then(|| format!(" `{}`: {meaning}", one.node.name.node))
        });
        let meaning = text(field.description.as_ref()) + &described.collect::<String>();
        let shown = linked(&field.ty.node, sections);
        writeln!(
            table,
            "| {} | {shown} | {} |",
            code(&signature),
            meaning.trim()
        )
        .unwrap();
    }
    table
}

fn inputs(fields: &[Positioned<InputValueDefinition>], sections: &BTreeSet<String>) -> String {
    let mut table = "| field | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    for field in fields.iter().map(|field| &field.node) {
        let default = field
            .default_value
            .as_ref()
            .map(|value| value.node.to_string())
            .unwrap_or_default();
        let shown = linked(&field.ty.node, sections);
        let meaning = text(field.description.as_ref());
        writeln!(
            table,
            "| {} | {shown} | {} | {meaning} |",
            code(&field.name.node),
            code(&default)
        )
        .unwrap();
    }
    table
}

fn section(definition: &TypeDefinition, sections: &BTreeSet<String>) -> String {
    match &definition.kind {
        TypeKind::Object(object) => fields(&object.fields, sections),
        TypeKind::Interface(interface) => fields(&interface.fields, sections),
        TypeKind::InputObject(input) => inputs(&input.fields, sections),
        TypeKind::Enum(one) => {
            let rows = one.values.iter().map(|value| {
                format!(
                    "| {} | {} |\n",
                    code(&value.node.value.node),
                    text(value.node.description.as_ref())
                )
            });
            format!(
                "| value | meaning |\n|---|---|\n{}",
                rows.collect::<String>()
            )
        }
        TypeKind::Union(union) => {
            let members: Vec<_> = union
                .members
                .iter()
                .map(|member| code(&member.node))
                .collect();
            format!("One of {}.\n", members.join(", "))
        }
        TypeKind::Scalar => String::new(),
    }
}

/// What the heading of a kind is; input objects and enums are easier to find apart from objects.
fn kind(definition: &TypeDefinition) -> &'static str {
    match definition.kind {
        TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) => "Objects",
        TypeKind::InputObject(_) => "Inputs",
        TypeKind::Enum(_) => "Enums",
        TypeKind::Scalar => "Scalars",
    }
}

#[test]
fn the_graphql_reference_is_the_served_schema() {
    let document = parse_schema(horolog::api::sdl()).unwrap();
    let types = types(&document);
    let is_operation = |name: &str| OPERATIONS.iter().any(|(operation, _)| *operation == name);
    let others: Vec<_> = types
        .iter()
        .filter(|one| !is_operation(&one.name.node))
        .collect();
    let sections: BTreeSet<String> = others.iter().map(|one| one.name.node.to_string()).collect();
    let mut page = format!("{GENERATED}{INTRODUCTION}");
    for (name, heading) in OPERATIONS {
        let operation = types
            .iter()
            .find(|one| one.name.node.as_str() == name)
            .unwrap();
        write!(page, "\n## {heading}\n\n{}", section(operation, &sections)).unwrap();
    }
    for heading in ["Objects", "Inputs", "Enums", "Scalars"] {
        write!(page, "\n## {heading}\n").unwrap();
        for definition in others.iter().filter(|one| kind(one) == heading) {
            let described = text(definition.description.as_ref());
            let parts = [
                format!("### {}", definition.name.node),
                described,
                section(definition, &sections),
            ];
            let parts = parts
                .iter()
                .map(|part| part.trim_end())
                .filter(|part| !part.is_empty());
            write!(page, "\n{}\n", parts.collect::<Vec<_>>().join("\n\n")).unwrap();
        }
    }
    assert_written("docs/reference/graphql.md", &page);
}

/// Literals of the file that are nothing but capitals and underscores.
fn codes(source: &str) -> BTreeSet<&str> {
    let literals = source.split('"').skip(1).step_by(2);
    literals
        .filter(|one| {
            one.len() > 4
                && one
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        })
        .collect()
}

#[test]
fn the_page_of_the_errors_has_each_code_of_the_api() {
    let source = read("src/api/errors.rs");
    let page = read("docs/reference/errors.md");
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed: BTreeSet<_> = rows
        .map(|(code, _)| code)
        .filter(|code| code.contains(|c: char| c.is_ascii_uppercase()))
        .collect();
    assert_eq!(listed, codes(&source));
}

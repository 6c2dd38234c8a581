//! The examples name only existing things. `scripts/examples` runs them; a compose file needs
//! Docker, so it is only read.

use super::{files, read, root};
use crate::deploy::horolog;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "examples/compose-prometheus";

fn list(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|text| text.as_str().unwrap())
        .collect()
}

#[test]
fn the_compose_example_names_existing_images_files_and_arguments() {
    let compose: Value =
        serde_saphyr::from_str(&read(Path::new(FOLDER).join("docker-compose.yml"))).unwrap();
    let services = compose["services"].as_object().unwrap();
    for (name, service) in services {
        let image = service["image"].as_str();
        let is_pinned = image
            .and_then(|image| image.split_once(':'))
            .is_some_and(|(_, tag)| tag != "latest");
        assert!(
            is_pinned || service["build"]["target"] == "program",
            "{name}: {image:?}"
        );
        for volume in list(&service["volumes"]) {
            let (source, _) = volume.split_once(':').unwrap();
            let is_there = if source.starts_with('.') {
                root().join(FOLDER).join(source).is_file()
            } else {
                compose["volumes"].as_object().unwrap().contains_key(source)
            };
            assert!(is_there, "{name}: {volume}");
        }
        for other in service["depends_on"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(other, _)| other)
        {
            assert!(services.contains_key(other), "{name}: {other}");
        }
    }
    let node = &services["horolog"];
    assert!(read("Dockerfile").contains(" AS program\n"));
    let arguments = [list(&node["command"]), vec!["--help"]].concat();
    let database = vec![(
        "DATABASE_URL".to_owned(),
        node["environment"]["DATABASE_URL"]
            .as_str()
            .unwrap()
            .to_owned(),
    )];
    assert!(horolog(&arguments, &database).status.success());
    assert!(
        list(&node["ports"]).contains(&"127.0.0.1:8081:8081"),
        "the API is reachable from other machines"
    );
}

#[test]
fn the_prometheus_of_the_compose_example_has_a_valid_configuration() {
    let file = root().join(FOLDER).join("prometheus.yml");
    let ran = Command::new("promtool")
        .args(["check", "config", "--syntax-only"])
        .arg(file)
        .output();
    let ran =
        ran.expect("promtool comes with Prometheus: `make setup-tests` installs it or says how");
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
fn the_page_of_the_examples_has_each_of_them() {
    let page = read("docs/examples.md");
    let sources = ["rs", "py", "mjs", "yml"]
        .into_iter()
        .flat_map(|extension| files("examples", extension));
    // The test itself is no example, and no part of one.
    let is_listed =
        |file: &Path| page.contains(file.to_str().unwrap()) || file.ends_with("prometheus.yml");
    let missing: Vec<_> = sources
        .filter(|file| !file.ends_with("examples.test.mjs") && !is_listed(file))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

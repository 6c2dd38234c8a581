//! What is deployed names only what there is: images, stages, files, commands,
//! variables, ports, metrics.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const COMPOSE: &str = include_str!("../docker-compose.yml");
const DOCKERFILE: &str = include_str!("../Dockerfile");
const NGINX: &str = include_str!("../deploy/nginx/nginx.conf");
const PROMETHEUS: &str = include_str!("../deploy/prometheus/prometheus.yml");
const ALERTS: &str = include_str!("../deploy/prometheus/alerts.yml");
const ALERTS_TEST: &str = include_str!("../deploy/prometheus/alerts_test.yml");
const GRAFANA: &str = include_str!("../deploy/grafana/dashboards/horolog.json");
const GRAFANA_SOURCE: &str =
    include_str!("../deploy/grafana/provisioning/datasources/prometheus.yml");
const GRAFANA_PROVIDER: &str =
    include_str!("../deploy/grafana/provisioning/dashboards/horolog.yml");
pub const METRICS: &str = include_str!("../src/telemetry.rs");
const SCHEMA: &str = include_str!("../schema.graphql");
const POSTMAN: &str = include_str!("../deploy/postman/horolog.postman_collection.json");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn services() -> serde_json::Map<String, Value> {
    // The merge key of the database's variables is YAML's own business.
    let compose: Value = serde_saphyr::from_str(COMPOSE).unwrap();
    compose["services"].as_object().unwrap().clone()
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// Names that a stage of the Dockerfile has, or an image with a version.
fn is_pinned(image: &str) -> bool {
    image
        .split_once(':')
        .is_some_and(|(_, tag)| tag != "latest" && tag.contains(|c: char| c.is_ascii_digit()))
        || image == "debian:bookworm-slim"
}

/// What the program makes of arguments and variables.
pub fn horolog(arguments: &[&str], variables: &[(String, String)]) -> Output {
    let variables = variables.iter().map(|(name, value)| (name, value));
    Command::new(env!("CARGO_BIN_EXE_horolog"))
        .args(arguments)
        .envs(variables)
        .output()
        .unwrap()
}

#[test]
fn compose_names_services_stages_volumes_and_files_that_there_are() {
    let compose: Value = serde_saphyr::from_str(COMPOSE).unwrap();
    let services = services();
    for (name, service) in &services {
        if let Some(image) = service["image"].as_str() {
            assert!(is_pinned(image), "{name}: {image}");
        } else {
            assert_eq!(service["build"]["context"], ".");
            let stage = format!(" AS {}\n", service["build"]["target"].as_str().unwrap());
            assert!(DOCKERFILE.contains(&stage), "{name}:{stage}");
        }
        for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
            let condition = how["condition"].as_str().unwrap();
            let target = services
                .get(other)
                .unwrap_or_else(|| panic!("{name} depends on {other}"));
            let healthy = other == "scheduler" || target.get("healthcheck").is_some();
            assert!(
                condition != "service_healthy" || healthy,
                "{other} has no health check"
            );
        }
        for mount in texts(&service["volumes"]) {
            let source = mount.split(':').next().unwrap();
            match source.strip_prefix("./") {
                Some(path) => assert!(root().join(path).is_dir(), "{name}: {mount}"),
                None => assert!(compose["volumes"].get(source).is_some(), "{name}: {mount}"),
            }
        }
        for port in texts(&service["ports"]) {
            assert!(
                port.starts_with("127.0.0.1:"),
                "{name}: nginx has no TLS here: {port}"
            );
        }
    }
    assert!(
        texts(&services["nginx"]["ports"])[0].ends_with(":8080") && NGINX.contains("listen 8080;")
    );
    assert!(PROMETHEUS.contains("http://nginx:8080/cluster/prometheus-sd"));
    assert!(
        NGINX.contains("listen 8080 default_server;")
            && NGINX.contains("server_name localhost nginx ")
    );
    assert!(
        services["scheduler"]["environment"]["HOROLOG_ALLOW_HOST"].is_string(),
        "nodes beyond loopback look at Host"
    );
    assert_eq!(
        services["scheduler"]["environment"]["HOROLOG_SET_UP_LINK"], "true",
        "nodes beyond loopback do not start without users"
    );
    assert!(!COMPOSE.contains("PASSWORD:-"), "a password has no default");
}

#[test]
fn compose_calls_horolog_as_it_can_be_called() {
    for (name, service) in services() {
        let is_horolog =
            service["build"]["target"] == "program" || service["entrypoint"][0] == "horolog";
        if !is_horolog {
            continue;
        }
        // A flag that there is not is found before --help is.
        let command = texts(&service["command"]);
        let arguments: Vec<&str> = command
            .iter()
            .map(String::as_str)
            .chain(["--help"])
            .collect();
        let output = horolog(&arguments, &[]);
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let variables: Vec<_> = service["environment"]
            .as_object()
            .into_iter()
            .flatten()
            .collect();
        let variables: Vec<_> = variables
            .iter()
            .filter_map(|(k, v)| Some(((*k).clone(), v.as_str()?.to_owned())))
            .collect();
        let output = horolog(&["schema"], &variables);
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn the_images_are_made_of_what_there_is() {
    let mut stages: Vec<&str> = Vec::new();
    for line in DOCKERFILE.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["FROM", image, "AS", stage] => {
                assert!(is_pinned(image), "{line}");
                stages.push(stage);
            }
            ["COPY", from, ..] if from.starts_with("--from=") => {
                assert!(stages.contains(&&from["--from=".len()..]), "{line}");
            }
            ["COPY", sources @ .., _] => {
                for source in sources {
                    assert!(root().join(source).exists(), "{line}");
                }
            }
            ["ENV", set] => {
                let (name, value) = set.split_once('=').unwrap();
                let output = horolog(&["schema"], &[(name.to_owned(), value.to_owned())]);
                assert!(output.status.success(), "{line}");
            }
            _ => {}
        }
    }
    let program = &DOCKERFILE[DOCKERFILE.find(" AS program\n").unwrap()..];
    assert!(
        program.contains("\nUSER horolog\n") && program.contains(r#"CMD ["horolog", "health"]"#)
    );
    assert!(horolog(&["health", "--help"], &[]).status.success());
}

fn assert_is_ours_and_described(name: &str) {
    let described = format!("\"{}\"", name.trim_end_matches("_bucket"));
    assert!(
        !name.starts_with("horolog_") || METRICS.contains(&described),
        "{name}"
    );
}

#[test]
fn the_grafana_dashboard_uses_existing_metrics_and_labels() {
    let dashboard: Value = serde_json::from_str(GRAFANA).unwrap();
    let source: Value = serde_saphyr::from_str(GRAFANA_SOURCE).unwrap();
    let uid = &source["datasources"][0]["uid"];
    let port = source["datasources"][0]["url"]
        .as_str()
        .unwrap()
        .strip_prefix("http://prometheus:")
        .unwrap();
    assert!(texts(&services()["prometheus"]["ports"])[0].ends_with(&format!(":{port}")));
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 10);
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(&target["datasource"]["uid"], uid, "{panel}");
            let expression = target["expr"].as_str().unwrap();
            assert!(expression.contains("horolog"), "{expression}");
            expression
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .for_each(assert_is_ours_and_described);
        }
    }
    let provider: Value = serde_saphyr::from_str(GRAFANA_PROVIDER).unwrap();
    let folder = provider["providers"][0]["options"]["path"]
        .as_str()
        .unwrap();
    let mounts = texts(&services()["grafana"]["volumes"]);
    assert!(
        mounts.contains(&format!("./deploy/grafana/dashboards:{folder}:ro")),
        "{mounts:?}"
    );
}

#[test]
fn alerts_speak_of_metrics_that_there_are() {
    let alerts: Value = serde_saphyr::from_str(ALERTS).unwrap();
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() >= 8);
    for rule in rules {
        let annotations = &rule["annotations"];
        assert!(
            annotations["summary"].is_string() && annotations["action"].is_string(),
            "{rule}"
        );
        let expression = rule["expr"].as_str().unwrap();
        let names = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        names.for_each(assert_is_ours_and_described);
    }
    let rules: Vec<PathBuf> = vec![root().join("deploy/prometheus/alerts.yml")];
    assert!(PROMETHEUS.contains("alerts.yml") && rules.iter().all(|file| file.exists()));
}

/// The tools of Prometheus read the files, as an operator would have them do.
fn promtool(args: &[&str], file: &str) -> String {
    let ran = Command::new("promtool")
        .args(args)
        .arg(root().join("deploy/prometheus").join(file))
        .output();
    let ran =
        ran.expect("promtool comes with Prometheus: `make setup-tests` installs it or says how");
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    said.into_owned()
}

#[test]
fn promtool_finds_no_fault_in_the_configuration_and_the_alerts() {
    // The rest of the check looks for the file of the token, which the operator makes.
    let checked = promtool(&["check", "config", "--syntax-only"], "prometheus.yml");
    assert!(checked.contains("SUCCESS"), "{checked}");
    assert!(promtool(&["check", "rules"], "alerts.yml").contains(" rules found"));
    assert_eq!(
        PROMETHEUS
            .matches("credentials_file: horolog-token")
            .count(),
        2
    );
}

#[test]
fn each_alert_fires_on_what_it_is_for_and_on_nothing_else() {
    promtool(&["test", "rules"], "alerts_test.yml");
    let alerts: Value = serde_saphyr::from_str(ALERTS).unwrap();
    for rule in alerts["groups"][0]["rules"].as_array().unwrap() {
        let name = rule["alert"].as_str().unwrap();
        assert!(
            ALERTS_TEST.contains(&format!(r#"{{alertname="{name}"}}"#)),
            "{name} has no test in alerts_test.yml"
        );
    }
}

/// Names at the start of the lines that are indented by `indent` and no more: the fields of a type,
/// or what an operation asks for.
fn fields<'a>(text: &'a str, indent: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = text
        .lines()
        .filter_map(move |line| line.strip_prefix(indent));
    lines
        .filter_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()).next())
        .filter(|name| !name.is_empty())
}

/// That the requests are valid and answered is newman's to see.
#[test]
fn the_postman_collection_asks_for_all_that_there_is() {
    // These commands would stop the cluster of the test, or resume a cluster that is paused for a
    // reason.
    const LEFT_OUT: [&str; 3] = ["drainNode", "pauseCluster", "resumeCluster"];
    let collection: Value = serde_json::from_str(POSTMAN).unwrap();
    let folders = collection["item"].as_array().unwrap();
    let requests = folders
        .iter()
        .flat_map(|folder| folder["item"].as_array().unwrap());
    let queries: Vec<_> = requests
        .filter_map(|item| item["request"]["body"]["graphql"]["query"].as_str())
        .collect();
    let asked: BTreeSet<_> = queries
        .iter()
        .flat_map(|query| fields(query, "  "))
        .collect();
    for kind in ["Query", "Mutation"] {
        let (_, rest) = SCHEMA.split_once(&format!("\ntype {kind} {{\n")).unwrap();
        let (body, _) = rest.split_once("\n}").unwrap();
        // Every second part is a description.
        let declared: String = body.split("\"\"\"").step_by(2).collect();
        for field in fields(&declared, "\t") {
            assert!(
                asked.contains(field) != LEFT_OUT.contains(&field),
                "{kind}.{field}"
            );
        }
    }
    let reference = folders[0]["item"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str().unwrap());
    let names = [
        "Create Job",
        "List Jobs",
        "Get Job By ID",
        "Pause Job",
        "Resume Job",
        "Run Job Now",
        "Get Job Logs",
        "Delete Job",
    ];
    assert!(
        reference.eq(names),
        "the reference system's requests, in its order"
    );
}

#[actix::test]
async fn health_says_what_the_node_says() {
    use crate::processes::node_process::Processes;
    let database = crate::support::TestDatabase::empty().await;
    let cluster = Processes::start(1, database.url(), &[]).await;
    let ask = |path: &str, address: &str| {
        let output = horolog(
            &["health", "--url", &format!("http://{address}{path}")],
            &[],
        );
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let address = cluster.ready("node-1").await;
    assert!(matches!(ask("/readyz", &address), (0, said) if said.contains("ready")));
    assert_eq!(ask("/nothing-here", &address).0, 1);
    assert_eq!(ask("/readyz", "127.0.0.1:1").0, 1);
}

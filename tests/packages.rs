//! What packages bring besides the program: units, manifests, completions, manual pages.

use crate::deploy::{METRICS, horolog};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const UNIT: &str = include_str!("../deploy/systemd/horolog.service");
const DEPLOYMENT: &str = include_str!("../deploy/kubernetes/deployment.yaml");
const AUTOSCALER: &str = include_str!("../deploy/kubernetes/autoscaler.yaml");
const BUDGET: &str = include_str!("../deploy/kubernetes/disruption-budget.yaml");
const SERVICE: &str = include_str!("../deploy/kubernetes/service.yaml");
const NETWORK_POLICY: &str = include_str!("../deploy/kubernetes/network-policy.yaml");
const KUSTOMIZATION: &str = include_str!("../deploy/kubernetes/kustomization.yaml");

fn printed(arguments: &[&str]) -> String {
    let output = horolog(arguments, &[]);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Whole seconds of `30s` and the like.
fn seconds(text: &str) -> u64 {
    text.strip_suffix('s').unwrap().parse().unwrap()
}

/// The default of a setting, from the help.
fn default_of(flag: &str) -> u64 {
    let help = printed(&["serve", "--help"]);
    let (_, after) = help.split_once(&format!("{flag} ")).unwrap();
    let (_, default) = after.split_once("[default: ").unwrap();
    seconds(default.split_once(']').unwrap().0)
}

#[test]
fn the_systemd_unit_has_valid_arguments_and_time_to_drain() {
    let value = |key: &str| {
        UNIT.lines()
            .find_map(|line| line.strip_prefix(&format!("{key}=")))
            .unwrap()
    };
    let command: Vec<&str> = value("ExecStart").split_whitespace().skip(1).collect();
    assert!(printed(&[command, vec!["--help"]].concat()).contains("Usage: horolog serve"));
    assert!(
        seconds(value("TimeoutStopSec"))
            > default_of("--drain-timeout") + default_of("--drain-delay")
    );
    assert_eq!(
        (value("Type"), value("RestartPreventExitStatus")),
        ("notify", "2")
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of what each manifest names")]
fn the_manifests_name_settings_ports_paths_and_metrics_that_there_are() {
    let deployment: Value = serde_saphyr::from_str(DEPLOYMENT).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let variables: Vec<(String, String)> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| {
            Some((
                one["name"].as_str()?.to_owned(),
                one["value"].as_str()?.to_owned(),
            ))
        })
        .map(|(name, value)| {
            (
                name,
                value
                    .replace("$(POD_IP)", "10.1.2.3")
                    .replace("$(POD_NAMESPACE)", "jobs"),
            )
        })
        .collect();
    let arguments: Vec<&str> = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    let output = horolog(&[arguments, vec!["--help"]].concat(), &variables);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Names that there are not are refused by every command.
    let output = horolog(&["schema"], &variables);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let value = |name: &str| {
        variables
            .iter()
            .find(|(one, _)| one == name)
            .unwrap()
            .1
            .as_str()
    };
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(
        grace > seconds(value("HOROLOG_DRAIN_TIMEOUT")) + seconds(value("HOROLOG_DRAIN_DELAY"))
    );
    assert_eq!(
        pod["enableServiceLinks"], false,
        "HOROLOG_SERVICE_HOST would stop the start"
    );

    let port = &container["ports"][0]["containerPort"];
    assert!(value("HOROLOG_LISTEN").ends_with(&format!(":{port}")));
    assert!(value("HOROLOG_ADVERTISE").ends_with(&format!(":{port}")));
    assert_eq!(
        deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"],
        port.to_string()
    );
    for (probe, path) in [
        ("startupProbe", "/healthz"),
        ("livenessProbe", "/healthz"),
        ("readinessProbe", "/readyz"),
    ] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
        assert_eq!(
            container[probe]["httpGet"]["port"],
            container["ports"][0]["name"]
        );
    }
    let service: Value = serde_saphyr::from_str(SERVICE).unwrap();
    let name = service["metadata"]["name"].as_str().unwrap();
    for suffix in ["jobs", "jobs.svc", "jobs.svc.cluster.local"] {
        let called = format!("{name}.{suffix}");
        assert!(
            value("HOROLOG_ALLOW_HOST")
                .split(',')
                .any(|allowed| allowed == called),
            "{called} is refused"
        );
    }
    assert_eq!(
        service["spec"]["ports"][0]["targetPort"],
        container["ports"][0]["name"]
    );

    let autoscaler: Value = serde_saphyr::from_str(AUTOSCALER).unwrap();
    assert_eq!(
        autoscaler["spec"]["scaleTargetRef"]["name"],
        deployment["metadata"]["name"]
    );
    let metric = autoscaler["spec"]["metrics"][0]["external"]["metric"]["name"]
        .as_str()
        .unwrap();
    assert!(METRICS.contains(&format!("\"{metric}\"")), "{metric}");

    let budget: Value = serde_saphyr::from_str(BUDGET).unwrap();
    let pods = &budget["spec"]["selector"]["matchLabels"];
    assert_eq!(
        pods["app.kubernetes.io/name"], "horolog",
        "an empty selector is every pod of the namespace"
    );

    let kustomization: Value = serde_saphyr::from_str(KUSTOMIZATION).unwrap();
    for file in kustomization["resources"].as_array().unwrap() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("deploy/kubernetes")
            .join(file.as_str().unwrap());
        assert!(path.exists(), "{file}");
    }
    assert_eq!(kustomization["images"][0]["name"], container["image"]);
    assert_eq!(
        kustomization["images"][0]["newTag"],
        env!("CARGO_PKG_VERSION")
    );
}

/// The policy as `kubectl apply -k` sends it: kustomize adds labels to selectors.
#[test]
fn the_network_policy_admits_labelled_clients_only() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes");
    let rendered = Command::new("kubectl")
        .arg("kustomize")
        .arg(folder)
        .output();
    let rendered = match &rendered {
        Ok(output) if output.status.success() => std::str::from_utf8(&output.stdout).unwrap(),
        _ => NETWORK_POLICY, // not everybody has kubectl
    };
    let documents = rendered
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
    let policy = documents
        .into_iter()
        .find(|document| document["kind"] == "NetworkPolicy")
        .unwrap();
    assert_eq!(
        policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"],
        "horolog"
    );
    assert_eq!(
        policy["spec"]["policyTypes"],
        serde_json::json!(["Ingress"])
    );
    let labelled =
        serde_json::json!({"matchExpressions": [{"key": "horolog-client", "operator": "Exists"}]});
    let clients = serde_json::json!([{"podSelector": labelled}, {"namespaceSelector": labelled}]);
    assert_eq!(policy["spec"]["ingress"].as_array().unwrap().len(), 1);
    assert_eq!(policy["spec"]["ingress"][0]["from"], clients);
}

#[test]
fn the_long_version_names_the_build() {
    let short = printed(&["-V"]);
    assert_eq!(short, format!("horolog {}\n", env!("CARGO_PKG_VERSION")));
    let features: Vec<&str> = [
        ("fault-injection", cfg!(feature = "fault-injection")),
        ("otel", cfg!(feature = "otel")),
    ]
    .iter()
    .filter_map(|(name, is_on)| is_on.then_some(*name))
    .collect();
    let features = match features.as_slice() {
        [] => "no features".to_owned(),
        some => format!("features {}", some.join(", ")),
    };
    let long = printed(&["--version"]);
    assert!(long.starts_with(short.trim_end()), "{long}");
    assert!(long.ends_with(&format!(", {features})\n")), "{long}");
    let build = &long[short.len()..];
    let names_build = ["(commit ", "(development build,", "(unknown commit,"]
        .iter()
        .any(|start| build.starts_with(start));
    assert!(names_build, "{long}");
}

/// What `cargo deb` and the maintainer scripts name.
#[test]
fn the_debian_package_names_files_and_settings_that_there_are() {
    const MANIFEST: &str = include_str!("../Cargo.toml");
    const SETTINGS: &str = include_str!("../deploy/debian/horolog.env");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (_, assets) = MANIFEST.split_once("\nassets = [\n").unwrap();
    let (assets, _) = assets.split_once("\n]\n").unwrap();
    let sources: Vec<&str> = assets
        .lines()
        .map(|line| line.split('"').nth(1).unwrap())
        .collect();
    assert!(sources.len() > 5, "{sources:?}");
    for source in sources {
        // What the build makes.
        let is_made = source.starts_with("target/");
        assert!(is_made || root.join(source).exists(), "{source}");
    }
    // A setting that is commented out is a setting, too.
    let settings: Vec<(String, String)> = SETTINGS
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once('='))
        .filter(|(name, _)| name.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert!(settings.len() >= 4, "{settings:?}");
    let output = horolog(&["schema"], &settings);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(UNIT.contains("\nEnvironmentFile=/etc/horolog/horolog.env\n"));
    assert!(MANIFEST.contains("conf-files = [\"/etc/horolog/horolog.env\"]"));
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let help = printed(&["--help"]);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands: Vec<&str> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(
        commands.contains(&"serve") && commands.contains(&"nginx-upstreams"),
        "{commands:?}"
    );
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = printed(&["completions", shell]);
        for command in &commands {
            assert!(text.contains(command), "{shell}: {command}");
        }
        assert!(
            text.contains("--node-ttl") || shell == "fish" && text.contains("node-ttl"),
            "{shell}"
        );
    }
    let bash = printed(&["completions", "bash"]);
    let checked = Command::new("bash")
        .args(["-n", "-c", &bash])
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );

    let directory = std::env::temp_dir().join(format!("horolog-man-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    printed(&["man", "--out", directory.to_str().unwrap()]);
    for command in &commands {
        let page = std::fs::read_to_string(directory.join(format!("horolog-{command}.1"))).unwrap();
        assert!(page.starts_with(".ie") || page.contains(".TH"), "{command}");
    }
    std::fs::remove_dir_all(directory).unwrap();
    assert!(printed(&["man"]).contains("nginx\\-upstreams"));
    assert_eq!(
        horolog(&["man", "--out", "/nowhere/at/all"], &[])
            .status
            .code(),
        Some(1)
    );
}

/// The bill of materials is made of the metadata of cargo; its tree is another way to the same crates.
#[test]
fn the_bill_of_materials_names_every_dependency() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = format!("horolog-{}.cdx.json", std::process::id());
    let file = std::env::temp_dir().join(file);
    let made = Command::new(root.join("scripts/sbom"))
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let bill: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(
        (&bill["bomFormat"], &bill["metadata"]["component"]["name"]),
        (&"CycloneDX".into(), &"horolog".into())
    );
    let components = bill["components"].as_array().unwrap();
    let named: Vec<&str> = components
        .iter()
        .map(|component| component["purl"].as_str().unwrap())
        .collect();
    let tree = "tree --locked --target all -e normal,build --all-features --prefix none";
    let tree = Command::new(env!("CARGO"))
        .args(tree.split(' '))
        .args(["--format", "{p}", "-p", "horolog"])
        .current_dir(root)
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    let mut count = 0;
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        let purl = format!("pkg:cargo/{name}@{}", version.trim_start_matches('v'));
        let is_program = name == "horolog";
        assert!(is_program || named.contains(&purl.as_str()), "{line}");
        count += 1;
    }
    assert!(count > 100, "{tree}");
    assert!(named.iter().any(|purl| purl.starts_with("pkg:npm/react@")));
    for component in components {
        let is_ours = component["name"].as_str().unwrap().starts_with("horolog");
        assert!(is_ours || component["hashes"].is_array(), "{component}");
    }
}

//! Settings of a node: each a flag and an environment variable with a unit and a bound.
//!
//! Unknown settings and impossible combinations stop the start. `docs/reference/settings.md` is
//! generated from the file.

mod openid;
mod values;

use crate::model::introspection::Introspection;
use crate::model::{InvalidInput, text};
use clap::Args;
use ipnet::IpNet;
pub use openid::{CALLBACK_PATH, OpenIdConfig};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;
pub use values::{base_path, is_host_and_port};
use values::{caller_budget, cidr, duration, header_name, host_name, mask, retention};

/// Fewest heartbeats in a TTL: two may be lost before a node looks dead.
const HEARTBEATS_IN_TTL: u32 = 3;
/// Shortest TTL: below it a busy machine looks dead.
const NODE_TTL_MIN: Duration = Duration::from_millis(500);
/// Shortest retention: the partitions of today and yesterday always exist.
const LOG_RETENTION_MIN: Duration = Duration::from_hours(48);
/// Shortest retention of the audit log: it is removed by whole days.
const AUDIT_RETENTION_MIN: Duration = Duration::from_hours(24);
/// Shortest interval: with a shorter one a node would do nothing else.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// Words of the names of secrets.
const MASK: [&str; 12] = [
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "key",
    "apikey",
    "passphrase",
    "passwd",
    "password",
    "secret",
    "secrets",
    "token",
];
/// Most connections of `--pool-size`.
const POOL_SIZE_MAX: usize = 200;
/// Most slots of a node.
const SLOTS_MAX: usize = 10_000;

/// Settings of `horolog serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeConfig {
    /// PostgreSQL, e.g. postgresql://user:password@host:5432/database; several
    /// hosts may be named. Without it the embedded PostgreSQL is started.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Where the embedded PostgreSQL lives; nothing else is stored there.
    /// [default: the user's data directory; /var/lib/horolog as root]
    #[arg(long, env = "HOROLOG_DATA_DIR")]
    pub data_dir: Option<PathBuf>,

    /// Address and port of the API.
    #[arg(long, env = "HOROLOG_LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,

    /// Certificate of the node, a PEM file with the certificates that lead to the authority. With
    /// it the node speaks https; a renewed file is used within 10 s. [default: no TLS]
    #[arg(long, env = "HOROLOG_TLS_CERTIFICATE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,

    /// Private key of the certificate, a PEM file.
    #[arg(long, env = "HOROLOG_TLS_KEY", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,

    /// host:port by which other programs (the load balancer) reach the node. [default: the listen
    /// address]
    #[arg(long, env = "HOROLOG_ADVERTISE")]
    pub advertise: Option<String>,

    /// Names with a dot by which browsers, a proxy or a service call the node (their `Host`),
    /// separated by commas. A node answers to no other names but that of --advertise, `localhost`,
    /// those without a dot, and addresses.
    #[arg(long, env = "HOROLOG_ALLOW_HOST", value_delimiter = ',', value_parser = host_name)]
    pub allow_host: Vec<String>,

    /// Serve without authentication beyond loopback, until the cluster has its first user or API
    /// token. Any client that reaches the address can run jobs until then.
    #[arg(long, env = "HOROLOG_INSECURE_NO_AUTH", conflicts_with_all = ["set_up_link", "openid_issuer"])]
    pub insecure_no_auth: bool,

    /// Serve nothing until the first user exists, and write a link to the log whose page creates
    /// the user, once.
    #[arg(long, env = "HOROLOG_SET_UP_LINK")]
    pub set_up_link: bool,

    /// Networks of the proxies in front of the node, as CIDRs separated by commas. Only a proxy in
    /// them names the address of the client (`X-Forwarded-For`), and the user with
    /// --proxy-user-header.
    #[arg(long, env = "HOROLOG_TRUSTED_PROXY", value_delimiter = ',', value_parser = cidr)]
    pub trusted_proxy: Vec<IpNet>,

    /// Header with the name of the user whom a trusted proxy has authenticated, such as
    /// X-Forwarded-User. The proxy must remove it from the requests of the clients. [default: none]
    #[arg(long, env = "HOROLOG_PROXY_USER_HEADER", value_parser = header_name)]
    pub proxy_user_header: Option<String>,

    /// Sign-in by OpenID Connect.
    #[command(flatten)]
    pub openid: OpenIdConfig,

    /// Path under which a proxy shows the node to browsers, such as /horolog. The node answers with
    /// and without it, so the proxy may take it out. [default: none]
    #[arg(long, env = "HOROLOG_BASE_PATH", default_value = "", hide_default_value = true, value_parser = base_path)]
    pub base_path: String,

    /// Name of the node. Display only. [default: host name]
    #[arg(long, env = "HOROLOG_NODE_NAME")]
    pub node_name: Option<String>,

    /// Executions that the node runs at once; at most half of them for a job or one target host.
    #[arg(long, env = "HOROLOG_SLOTS", default_value_t = 64)]
    pub slots: usize,

    /// How often the node renews its heartbeat; at most a third of the TTL.
    #[arg(long, env = "HOROLOG_HEARTBEAT_INTERVAL", default_value = "1s", value_parser = duration)]
    pub heartbeat_interval: Duration,

    /// Age of a heartbeat at which the node is dead and its work taken over. The
    /// same on all nodes.
    #[arg(long, env = "HOROLOG_NODE_TTL", default_value = "4s", value_parser = duration)]
    pub node_ttl: Duration,

    /// Longest sleep between polls for due triggers, when nothing is due sooner.
    #[arg(long, env = "HOROLOG_POLL_INTERVAL", default_value = "1s", value_parser = duration)]
    pub poll_interval: Duration,

    /// Time between checks for broken states (an active job without its trigger), while none is
    /// found.
    #[arg(long, env = "HOROLOG_REPAIR_INTERVAL", default_value = "30s", value_parser = duration)]
    pub repair_interval: Duration,

    /// Age at which executions are purged from the log, by whole days (UTC) of the fire times;
    /// `forever` keeps them all. The same on all nodes.
    #[arg(long, env = "HOROLOG_LOG_RETENTION", default_value = "30d", value_parser = retention)]
    pub log_retention: Duration,

    /// Age at which rows of the audit log are removed, by whole days (UTC); `forever` keeps
    /// them all. The same on all nodes.
    #[arg(long, env = "HOROLOG_AUDIT_RETENTION", default_value = "400d", value_parser = retention)]
    pub audit_retention: Duration,

    /// Private networks that webhooks may reach, as CIDRs separated by commas.
    #[arg(long, env = "HOROLOG_HTTP_ALLOW", value_delimiter = ',', value_parser = cidr)]
    pub http_allow: Vec<IpNet>,

    /// The only ports that webhooks may go to, separated by commas. [default: all but
    /// those of other protocols: mail, SSH, databases, caches]
    #[arg(long, env = "HOROLOG_HTTP_ALLOW_PORT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub http_allow_port: Vec<u16>,

    /// How long SIGTERM waits for executions in flight before the handover.
    #[arg(long, env = "HOROLOG_DRAIN_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub drain_timeout: Duration,

    /// How long at least a stopping node still answers HTTP, so load balancers notice that the node
    /// is leaving.
    #[arg(long, env = "HOROLOG_DRAIN_DELAY", default_value = "2s", value_parser = duration)]
    pub drain_delay: Duration,

    /// Whether clients may read the GraphQL schema, and get similar names for an unknown name: on
    /// or off. Off also removes /graphiql.
    #[arg(long, env = "HOROLOG_INTROSPECTION", default_value = "on")]
    pub introspection: Introspection,

    /// Words of names whose values the API does not show, separated by commas: of headers
    /// and of keys in payloads (`X-Api-Key` and `apiKey` have the word `key`). The targets
    /// get them. `none` shows all.
    #[arg(long, env = "HOROLOG_MASK", value_delimiter = ',', value_parser = mask, default_values = MASK)]
    pub mask: Vec<String>,

    /// File with the keys that encrypt secrets: 32 bytes in base64, a line each; the first key
    /// encrypts, a second key only decrypts. `horolog secret create-key` makes a file. The same on
    /// all nodes, and only for the user of the node (mode 0600). [default: no secrets]
    #[arg(long, env = "HOROLOG_SECRETS_KEY_FILE")]
    pub secrets_key_file: Option<PathBuf>,

    /// Cost that the requests of a user, token or anonymous address may have in a minute; 1000 is a
    /// command about a job, 100000 the most of a request. Requests beyond it get THROTTLED.
    /// [default: no limit]
    #[arg(long, env = "HOROLOG_CALLER_BUDGET", value_parser = caller_budget)]
    pub caller_budget: Option<NonZeroU32>,

    /// Database connections for the API, and so the number of simultaneous statements. Firing has
    /// eight separate connections, which no request can take.
    #[arg(long, env = "HOROLOG_POOL_SIZE", default_value_t = 4)]
    pub pool_size: usize,

    /// Stop when the parent process dies (Linux): the demo's nodes do.
    #[arg(long, hide = true)]
    pub stop_with_parent: bool,
}

/// Variables that are not settings of `serve`.
const OTHER_VARIABLES: &[&str] = &[
    "HOROLOG_LOG",
    "HOROLOG_LOG_FORMAT",
    "HOROLOG_PG_BIN",
    "HOROLOG_PG_USER",
    #[cfg(feature = "fault-injection")]
    crate::safeguards::VARIABLE,
];

impl ServeConfig {
    /// Refuses impossible values and combinations. The error names the flag.
    pub fn validate(&self) -> Result<(), InvalidInput> {
        if let Some((flag, message)) = self.problem() {
            return Err(InvalidInput::new(flag, message));
        }
        text::NODE_NAME.check_given("--node-name", self.node_name.as_deref())
    }

    fn problem(&self) -> Option<(&'static str, String)> {
        if self.node_ttl < NODE_TTL_MIN {
            return Some(("--node-ttl", "must be at least 500ms".to_owned()));
        }
        for (flag, interval) in [
            ("--heartbeat-interval", self.heartbeat_interval),
            ("--poll-interval", self.poll_interval),
        ] {
            if interval < INTERVAL_MIN {
                return Some((flag, "must be at least 10ms".to_owned()));
            }
        }
        if self.heartbeat_interval * HEARTBEATS_IN_TTL > self.node_ttl {
            let message = format!(
                "must be at least three times --heartbeat-interval ({:?}), not {:?}: two \
                 heartbeats may be lost before a node looks dead",
                self.heartbeat_interval, self.node_ttl
            );
            return Some(("--node-ttl", message));
        }
        // Each poll is a sign of life: the watchdog waits three TTLs for the acquirer.
        if self.poll_interval > self.node_ttl {
            let message = format!("must be at most --node-ttl ({:?})", self.node_ttl);
            return Some(("--poll-interval", message));
        }
        if self.repair_interval < Duration::from_secs(1) {
            return Some(("--repair-interval", "must be at least 1s".to_owned()));
        }
        if self.log_retention < LOG_RETENTION_MIN {
            let message =
                "must be at least 2days: the partitions of today and yesterday are in use";
            return Some(("--log-retention", message.to_owned()));
        }
        if self.audit_retention < AUDIT_RETENTION_MIN {
            return Some(("--audit-retention", "must be at least 1d".to_owned()));
        }
        if !(1..=SLOTS_MAX).contains(&self.slots) {
            return Some(("--slots", format!("must be from 1 to {SLOTS_MAX}")));
        }
        if !(1..=POOL_SIZE_MAX).contains(&self.pool_size) {
            return Some(("--pool-size", format!("must be from 1 to {POOL_SIZE_MAX}")));
        }
        if let Some(problem) = self.proxy_problem() {
            return Some(("--proxy-user-header", problem.to_owned()));
        }
        if let Some(problem) = self.openid.problem() {
            return Some(problem);
        }
        let advertise = self
            .advertise
            .as_deref()
            .filter(|text| !is_host_and_port(text))?;
        Some((
            "--advertise",
            format!("must be host:port, not `{}`", advertise.escape_debug()),
        ))
    }

    /// A header that any client may send would make each client any user.
    fn proxy_problem(&self) -> Option<&'static str> {
        self.proxy_user_header.as_ref()?;
        if self.trusted_proxy.is_empty() {
            return Some("needs --trusted-proxy: the addresses whose header counts");
        }
        self.trusted_proxy
            .iter()
            // In such a network every client is a proxy, and may name any user.
            .any(|network| network.prefix_len() == 0)
            .then_some("needs a --trusted-proxy that is not the whole Internet")
    }

    /// Scheme of the addresses of the node: `https` with a certificate, else `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls_certificate.is_some() {
            "https"
        } else {
            "http"
        }
    }

    /// Longest database call: below half the TTL, so each answer arrives before the node stops
    /// trusting itself.
    pub fn call_timeout(&self) -> Duration {
        self.node_ttl * 9 / 20
    }
}

/// Refuses a misspelt `HOROLOG_…` variable: it would be ignored silently, and found in an incident.
pub fn refuse_unknown_variables(
    variables: impl Iterator<Item = String>,
    command: &clap::Command,
) -> Result<(), String> {
    let known: Vec<String> = command
        // One environment may have the settings of several commands of a machine.
        .get_subcommands()
        .flat_map(clap::Command::get_arguments)
        .filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned))
        .chain(OTHER_VARIABLES.iter().map(|name| (*name).to_owned()))
        .collect();
    let mut unknown: Vec<String> = variables
        .filter(|name| name.starts_with("HOROLOG_") && !known.contains(name))
        .collect();
    unknown.sort();
    match unknown.as_slice() {
        [] => Ok(()),
        names => Err(format!(
            "unknown setting {}: `horolog serve --help` lists the settings",
            names.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        serve: ServeConfig,
    }

    #[derive(Parser)]
    enum Commands {
        Serve(ServeConfig),
    }

    fn parse(flags: &str) -> Result<ServeConfig, String> {
        let program =
            Program::try_parse_from(std::iter::once("horolog").chain(flags.split_whitespace()))
                .map_err(|error| error.to_string())?;
        program
            .serve
            .validate()
            .map_err(|invalid| invalid.to_string())?;
        Ok(program.serve)
    }

    #[test]
    fn the_defaults_are_valid() {
        let config = parse("").expect("valid");
        assert_eq!(
            (config.slots, config.node_ttl),
            (64, Duration::from_secs(4))
        );
        assert_eq!(
            parse("--log-retention forever")
                .expect("valid")
                .log_retention,
            Duration::MAX
        );
        assert!(config.call_timeout() < config.node_ttl / 2);
    }

    #[test]
    fn a_base_path_ends_without_a_slash() {
        for (text, path) in [
            ("/horolog/", "/horolog"),
            ("/a/b-1.x", "/a/b-1.x"),
            ("/", ""),
            ("", ""),
        ] {
            assert_eq!(base_path(text).as_deref(), Ok(path), "{text}");
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn every_impossible_setting_is_refused_with_its_name() {
        let cases = [
            ("--node-ttl 2s --heartbeat-interval 1s", "three times"),
            ("--node-ttl 100ms --heartbeat-interval 10ms", "--node-ttl"),
            ("--heartbeat-interval 0s", "--heartbeat-interval"),
            ("--heartbeat-interval 1ns", "--heartbeat-interval"),
            (
                "--heartbeat-interval 18446744073709551615s",
                "--heartbeat-interval",
            ),
            ("--node-ttl 18446744073709551615s", "--node-ttl"),
            ("--node-ttl 366days", "--node-ttl"),
            ("--drain-timeout 9999999999y", "--drain-timeout"),
            ("--log-retention 9999999999y", "--log-retention"),
            ("--poll-interval 1ns", "--poll-interval"),
            ("--poll-interval 1m", "--poll-interval"),
            ("--repair-interval 0s", "--repair-interval"),
            ("--log-retention 1d", "--log-retention"),
            ("--log-retention never", "forever"),
            ("--audit-retention 1h", "--audit-retention"),
            ("--slots 0", "--slots"),
            ("--slots 1000000", "--slots"),
            ("--slots many", "--slots"),
            ("--pool-size 0", "--pool-size"),
            ("--introspection no", "--introspection"),
            ("--node-ttl 5", "--node-ttl"),
            ("--listen nowhere", "--listen"),
            ("--http-allow 10.0.0.0/99", "--http-allow"),
            ("--http-allow-port 0", "--http-allow-port"),
            ("--http-allow-port https", "--http-allow-port"),
            ("--proxy-user-header X-User", "--trusted-proxy"),
            (
                "--proxy-user-header X-User --trusted-proxy 0.0.0.0/0",
                "--proxy-user-header",
            ),
            (
                "--proxy-user-header Cookie --trusted-proxy 10.0.0.1",
                "--proxy-user-header",
            ),
            ("--trusted-proxy nginx", "--trusted-proxy"),
            ("--insecure-no-auth --set-up-link", "--set-up-link"),
            ("--openid-issuer http://login.example.com", "https"),
            (
                "--openid-issuer https://a@login.example.com",
                "https://host",
            ),
            (
                "--openid-issuer https://login.example.com",
                "--openid-client-id",
            ),
            ("--openid-client-id horolog", "--openid-issuer"),
            (
                "--openid-redirect-url https://jobs.example.com",
                "/session/",
            ),
            ("--openid-grant ops", "GROUP=ROLE"),
            ("--openid-grant ops=root", "no role"),
            (
                "--openid-issuer https://login.example.com --openid-client-id horolog \
                 --openid-redirect-url https://jobs.example.com/session/openid/callback",
                "--openid-grant",
            ),
            ("--advertise a b:80", "unexpected"),
            ("--allow-host https://jobs.example.com", "--allow-host"),
            ("--allow-host jobs.example.com:443", "--allow-host"),
            ("--allow-host *", "--allow-host"),
            ("--mask X-Api-Key", "--mask"),
            ("--base-path horolog", "--base-path"),
            ("--base-path /a//b", "--base-path"),
            ("--base-path /a/../b", "--base-path"),
            ("--base-path /a\"b", "--base-path"),
            ("--advertise example.com", "--advertise"),
            ("--advertise exa;mple:80", "--advertise"),
            ("--sltos 5", "--sltos"),
        ];
        for (flags, expected) in cases {
            let error = parse(flags).expect_err(flags);
            assert!(error.contains(expected), "{flags}: {error}");
        }
    }

    #[test]
    fn a_misspelt_variable_is_refused() {
        let check = |name: &str| {
            refuse_unknown_variables([name.to_owned()].into_iter(), &Commands::command())
        };
        assert!(
            check("HOROLOG_SLOTS").is_ok() && check("HOROLOG_LOG").is_ok() && check("PATH").is_ok()
        );
        assert!(check("HOROLOG_SLOT").is_err_and(|error| error.contains("HOROLOG_SLOT:")));
    }
}

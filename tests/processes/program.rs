//! The program: usage, exit codes, and how it waits for the database.

use super::node_process::NodeProcess;
use crate::http_client::http_client;
use crate::support::{TestDatabase, eventually};
use rustix::process::Signal;
use std::net::TcpListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Arguments, variables, and a text that the output must hold.
type Misuse<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

/// A URL without a listener.
const NOWHERE: &str = "postgresql://nobody@127.0.0.1:1/none";

async fn fails(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut process = NodeProcess::start("program", arguments, variables);
    let status = process.ended().await;
    process.says("").await;
    (status.code().unwrap(), process.output())
}

#[actix::test]
async fn bad_usage_ends_with_2_and_says_what_is_wrong() {
    let cases: [Misuse; 13] = [
        (&["serve"], &[("DATABASE_URL", "")], "DATABASE_URL"),
        (
            &["migrate"],
            &[("DATABASE_URL", NOWHERE), ("HOROLOG_LOG_FORMAT", "yaml")],
            "HOROLOG_LOG_FORMAT",
        ),
        (
            &["migrate"],
            &[("DATABASE_URL", NOWHERE), ("HOROLOG_LOG", "=x=")],
            "HOROLOG_LOG",
        ),
        (&["serve", "--sltos", "5"], &[], "--sltos"),
        (&["serve"], &[("HOROLOG_SLOT", "5")], "HOROLOG_SLOT"),
        (&["serve", "--node-ttl", "2s"], &[], "three times"),
        (&["serve", "--slots", "0"], &[], "--slots"),
        (
            &["serve"],
            &[("HOROLOG_HTTP_ALLOW", "everywhere")],
            "10.0.0.0/8",
        ),
        (&["serve"], &[("DATABASE_URL", "mysql://x")], "DATABASE_URL"),
        (
            &["migrate"],
            &[("DATABASE_URL", "postgresql://h:notaport/x")],
            "DATABASE_URL",
        ),
        (
            &["serve"],
            &[("DATABASE_URL", "postgresql://h/x?sslmode=prefer")],
            "say verify-full, or disable",
        ),
        (
            &["serve"],
            &[("DATABASE_URL", "postgresql://h/x?sslrootcert=/none.pem")],
            "sslrootcert /none.pem",
        ),
        (&["nonsense"], &[], "nonsense"),
    ];
    for (arguments, variables, text) in cases {
        let (code, output) = fails(arguments, variables).await;
        assert_eq!(code, 2, "{arguments:?}: {output}");
        assert!(output.contains(text), "{arguments:?}: {output}");
    }
}

/// A program reads stdout, and nothing else.
#[test]
fn a_preview_for_programs_gives_every_error_as_json_and_ends_with_2() {
    let json = ["--output", "json"];
    let cases: [Misuse; 8] = [
        (
            &["0 99 * * *"],
            &[],
            "hours: `99` at position 3 is out of range 0-23",
        ),
        (&["@every 5m"], &[], "FIXED_RATE with intervalSeconds 300"),
        (
            &["@daily", "--zone", "Factory"],
            &[],
            "`Factory` is not an IANA time zone",
        ),
        (&["@daily", "--zone", "-05:00"], &[], "Etc/GMT+5"),
        (&["@daily", "--after", "tomorrow"], &[], "RFC 3339"),
        (&["@daily", "--nope"], &[], "unexpected argument '--nope'"),
        (&[], &[], "<EXPRESSION>"),
        (&["@daily"], &[("HOROLOG_SLOT", "5")], "HOROLOG_SLOT"),
    ];
    for (arguments, variables, text) in cases {
        let mut preview = std::process::Command::new(env!("CARGO_BIN_EXE_horolog"));
        preview
            .arg("preview")
            .args(arguments)
            .args(json)
            .envs(variables.iter().copied());
        let output = preview.output().unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(
            answer["error"].as_str().unwrap().contains(text),
            "{arguments:?}: {answer}"
        );
        assert_eq!(
            (output.status.code(), output.stderr.len()),
            (Some(2), 0),
            "{arguments:?}"
        );
    }
}

#[actix::test]
async fn a_port_in_use_ends_with_1_and_names_the_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, output) = fails(
        &["serve", "--listen", &address],
        &[("DATABASE_URL", NOWHERE)],
    )
    .await;
    assert_eq!(code, 1, "{output}");
    assert!(
        output.contains(&address) && output.contains("--listen"),
        "{output}"
    );
}

#[actix::test]
async fn migrate_fails_when_the_database_is_away_and_works_when_it_is_there() {
    let (code, output) = fails(&["migrate"], &[("DATABASE_URL", NOWHERE)]).await;
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("cannot be reached"), "{output}");
    let database = TestDatabase::empty().await;
    let (code, output) = fails(&["migrate"], &[("DATABASE_URL", database.url())]).await;
    assert_eq!(code, 0, "{output}");
}

#[actix::test]
async fn a_wait_for_the_migration_lock_names_the_holder() {
    let database = TestDatabase::empty().await;
    let holder = database.client().await;
    // As the program does it: "HOROLOG" in ASCII.
    holder
        .batch_execute(
            "set application_name = 'a rival'; select pg_advisory_lock(x'484f524f4c4f47'::bigint)",
        )
        .await
        .unwrap();
    let mut waiting =
        NodeProcess::start("waiting", &["migrate"], &[("DATABASE_URL", database.url())]);

    let line = waiting.says("is being migrated by another session").await;
    let pid: i32 = holder
        .query_one("select pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    for words in [
        &format!("pid {pid}, "),
        "application a rival",
        "client local",
        "idle since 2",
    ] {
        assert!(line.contains(words), "{words}: {line}");
    }
    drop(holder);
    assert!(waiting.ended().await.success(), "{}", waiting.output());
    assert_eq!(
        waiting.output().matches("another session").count(),
        1,
        "{}",
        waiting.output()
    );
}

/// A server older than PostgreSQL 14, for callers that find this function before PostgreSQL's own.
const TOO_OLD: &str = "
create function public.current_setting(name text) returns text language sql
    as $$ select case name when 'server_version_num' then '130022' else '13.22' end $$;
do $$ begin execute format('alter database %I set search_path = public, pg_catalog',
current_database()); end $$";

#[actix::test]
async fn a_server_that_is_too_old_ends_serve_and_migrate_with_1() {
    let database = TestDatabase::empty().await;
    database
        .client()
        .await
        .batch_execute(TOO_OLD)
        .await
        .unwrap();
    for arguments in [&["migrate"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let (code, output) = fails(arguments, &[("DATABASE_URL", database.url())]).await;
        assert_eq!(code, 1, "{arguments:?}: {output}");
        assert!(
            output.contains("PostgreSQL 13.22 is too old: horolog needs 14 or newer"),
            "{arguments:?}: {output}"
        );
    }
}

#[actix::test]
async fn a_node_whose_webhooks_may_go_anywhere_says_so() {
    let database = TestDatabase::new().await;
    let cases: [(&[&str], Option<&str>); 4] = [
        (&["--http-allow", "0.0.0.0/0"], Some("network=0.0.0.0/0")),
        (
            &["--http-allow", "0.0.0.0/1,128.0.0.0/1"],
            Some("network=0.0.0.0/0"),
        ),
        (&["--http-allow", "10.0.0.0/8,::/0"], Some("network=::/0")),
        (&["--http-allow", "10.0.0.0/8,127.0.0.0/8,fd00::/8"], None),
    ];
    for (allow, network) in cases {
        let serve = [&["serve", "--listen", "127.0.0.1:0"], allow].concat();
        let node = NodeProcess::start("open", &serve, &[("DATABASE_URL", database.url())]);
        node.says("serving").await;
        let output = node.output();
        let warning = output
            .lines()
            .find(|line| line.contains("WEBHOOKS MAY GO ANYWHERE"));
        assert_eq!(warning.is_some(), network.is_some(), "{allow:?}: {output}");
        assert!(
            network.is_none_or(|network| output.contains(network)),
            "{allow:?}: {output}"
        );
    }
}

#[actix::test]
async fn unreadable_bytes_from_a_client_leave_no_log_line() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let database = TestDatabase::new().await;
    let listen = format!("127.0.0.1:{port}");
    let mut node = NodeProcess::start(
        "garbage",
        &["serve", "--listen", &listen, "--drain-delay", "0s"],
        &[("DATABASE_URL", database.url())],
    );
    node.says("serving").await;
    let endless = vec![b'x'; 200_000];
    for request in [
        &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..],
        b"GET / HTTP/1.1\r\nX\r\n\r\n",
        &endless,
    ] {
        let mut socket = tokio::net::TcpStream::connect(&listen).await.unwrap();
        // Either may fail when the server hangs up.
        drop(socket.write_all(request).await);
        drop(socket.read_to_end(&mut Vec::new()).await);
    }
    node.signal(Signal::TERM);
    node.ended().await;
    node.says("").await;
    assert!(!node.output().contains("ERROR"), "{}", node.output());
}

#[actix::test]
async fn serve_waits_for_the_database_says_so_and_stops_when_asked() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let listen = format!("127.0.0.1:{port}");
    let own = std::env::temp_dir().join(format!("horolog-not-made-{port}"));
    let arguments = [
        "serve",
        "--listen",
        &listen,
        "--data-dir",
        own.to_str().unwrap(),
    ];
    let mut node = NodeProcess::start("waiting", &arguments, &[("DATABASE_URL", NOWHERE)]);
    let line = node.says("the database is not ready").await;
    assert!(line.contains("retry_in=250ms"), "{line}");
    node.says("retry_in=500ms").await;

    let http = http_client();
    let status = async |path: &str| {
        Some(
            http.get(format!("http://{listen}{path}"))
                .send()
                .await
                .ok()?
                .status()
                .as_u16(),
        )
    };
    assert_eq!(
        eventually("healthz answers", async || status("/healthz").await).await,
        200
    );
    assert_eq!(status("/readyz").await, Some(503));
    assert!(
        !own.exists(),
        "who has a URL starts no PostgreSQL of its own"
    );

    node.signal(Signal::TERM);
    assert_eq!(node.ended().await.code(), Some(0));
}

#[actix::test]
async fn every_line_of_a_log_in_json_is_json_whatever_a_job_is_called() {
    let database = TestDatabase::new().await;
    let variables = [
        ("DATABASE_URL", database.url()),
        ("HOROLOG_LOG_FORMAT", "json"),
        ("HOROLOG_DRAIN_DELAY", "0s"),
    ];
    let mut node = NodeProcess::start("json", &["serve", "--listen", "127.0.0.1:0"], &variables);
    let parsed = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("{line}"))
    };
    let url = parsed(&node.says("serving").await)["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let (name, note) = ("a \"name\" with {everything}", "one\ntwo \u{1b}[31m");
    let create = "mutation($name: String!, $payload: JSON) { createJob(input: {name: $name,
        payload: $payload,
        scheduleType: FIXED_RATE, intervalSeconds: 3600}) { id } }";
    let create = serde_json::json!({"query": create, "variables": {"name": name,
        "payload": {"note": note}}});
    let answer = http_client()
        .post(format!("{url}/graphql"))
        .json(&create)
        .send()
        .await
        .unwrap();
    let answer = answer.text().await.unwrap();
    assert!(!answer.contains("errors"), "{answer}");

    let ran = parsed(&node.says("log target ran").await);
    assert_eq!(ran["job.name"], name);
    assert_eq!(parsed(ran["payload"].as_str().unwrap())["note"], note);
    assert!(
        ran["timestamp"].is_string() && ran["level"] == "INFO" && ran["execution.id"].is_string(),
        "{ran}"
    );
    node.signal(Signal::TERM);
    assert!(node.ended().await.success());
    node.output().lines().map(parsed).for_each(drop);
}

#[actix::test]
async fn the_demo_shows_jobs_surviving_a_kill_and_leaves_nothing_behind() {
    let directory = std::env::temp_dir().join(format!("horolog-demo-{}", std::process::id()));
    let arguments = [
        "demo",
        "--port",
        "0",
        "--kill-after",
        "6s",
        "--data-dir",
        directory.to_str().unwrap(),
    ];
    let mut demo = NodeProcess::start("demo", &arguments, &[]);
    demo.says("horolog is running: 3 nodes, 5 sample jobs")
        .await;
    demo.says("killing node-3").await;
    demo.says("node-3 died").await;
    demo.says("its executions taken over").await;
    demo.says("node-3 started again").await;
    demo.signal(Signal::INT);

    assert_eq!(demo.ended().await.code(), Some(0));
    let summary = demo.says("deliveries of").await;
    assert!(summary.contains(" 0 doubled"), "{summary}");
    assert!(
        !directory.join("pg/postmaster.pid").exists(),
        "postgresql still runs"
    );
    std::fs::remove_dir_all(directory).unwrap();
}

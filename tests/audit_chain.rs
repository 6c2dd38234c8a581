//! The hash chain of the audit log: what a verification finds.

use crate::support::TestCluster;
use horolog::clock::Clock;
use horolog::store::audit::chain::{hex, parse_hex};
use horolog::store::audit::entry::Entry;
use horolog::store::audit::verify::Verdict;
use std::time::Duration;

/// Without the guard, as a superuser can write.
const UNGUARDED: &str = "alter table audit_log disable trigger user";
const GUARDED: &str = "alter table audit_log enable trigger user";

struct Log {
    cluster: TestCluster,
}

impl Log {
    /// A log with these numbers of sealed and of unsealed rows.
    async fn with(sealed: usize, unsealed: usize) -> Self {
        let log = Self {
            cluster: TestCluster::start_with(Clock::Database).await,
        };
        log.write(sealed).await;
        log.seal().await;
        log.write(unsealed).await;
        log
    }

    async fn write(&self, rows: usize) {
        for number in 0..rows {
            let entry = Entry::of("thing", number.to_string()).with("number", number);
            let store = &self.cluster.store;
            store.record_decision("test", entry).await.unwrap();
        }
    }

    async fn seal(&self) {
        self.cluster.store.seal_audit_log().await.unwrap();
    }

    async fn verdict(&self) -> Verdict {
        self.cluster.store.verify_audit_log(None).await.unwrap()
    }

    /// The number of verified rows of a whole chain.
    async fn whole(&self) -> u64 {
        match self.verdict().await {
            Verdict::Whole { rows, .. } => rows,
            broken => panic!("{broken:?}"),
        }
    }

    /// Where the chain is broken.
    async fn broken(&self) -> i64 {
        match self.verdict().await {
            Verdict::Broken { position, .. } => position,
            other => panic!("{other:?}"),
        }
    }

    /// Writes past the guard.
    async fn tamper(&self, statement: &str) {
        let all = format!("{UNGUARDED}; {statement}; {GUARDED}");
        self.cluster.sql.batch_execute(&all).await.unwrap();
    }
}

#[actix::test]
async fn a_chain_is_whole_and_rows_without_a_seal_are_counted() {
    let log = Log::with(0, 0).await;
    assert_eq!(log.whole().await, 0);
    log.write(5).await;
    log.seal().await;
    log.write(2).await;
    let Verdict::Whole {
        rows,
        end,
        unsealed,
    } = log.verdict().await
    else {
        panic!("broken")
    };
    assert_eq!((rows, end.position, unsealed), (5, 5, 2));
}

#[actix::test]
async fn a_changed_removed_inserted_or_moved_row_is_found() {
    let log = Log::with(6, 0).await;
    let restore = "delete from audit_log; insert into audit_log overriding system value \
        select * from kept";
    let keep = "create table kept as select * from audit_log";
    log.cluster.sql.batch_execute(keep).await.unwrap();
    let copy = "insert into audit_log (at, caller, caller_kind, action, outcome, position, \
        previous_hash, hash) select at, caller, caller_kind, action, outcome, 7, hash, hash \
        from audit_log where position = 6";
    let swap = "update audit_log set position = -position where position in (2, 3);
        update audit_log set position = case position when -2 then 3 else 2 end where position < 0";
    for (tampering, position) in [
        ("update audit_log set caller = 'eve' where position = 3", 3),
        (
            "update audit_log set details = '{\"number\": 2}' where position = 3",
            3,
        ),
        (
            "update audit_log set details = '{\"number\":9}' where position = 6",
            6,
        ),
        (
            "update audit_log set at = at + interval '1 microsecond' where position = 1",
            1,
        ),
        ("update audit_log set address = '' where position = 2", 2),
        (
            "update audit_log set hash = previous_hash where position = 4",
            4,
        ),
        ("delete from audit_log where position = 4", 4),
        ("delete from audit_log where position = 1", 1),
        ("delete from audit_log where position <= 3", 3),
        (copy, 7),
        (swap, 2),
        (
            "update audit_log set position = position + 1 where position = 6",
            6,
        ),
        (
            "update audit_log set position = null, previous_hash = null, hash = null \
            where position = 5",
            5,
        ),
    ] {
        log.tamper(tampering).await;
        assert_eq!(log.broken().await, position, "{tampering}");
        log.tamper(restore).await;
        assert_eq!(log.whole().await, 6, "{tampering}");
    }
}

#[actix::test]
async fn without_the_rights_of_the_owner_rows_are_only_added() {
    let log = Log::with(2, 1).await;
    let before = log.cluster.dump("audit_log").await;
    for statement in [
        "update audit_log set caller = 'eve'",
        "update audit_log set caller = 'eve' where position is null",
        "update audit_log set caller = 'eve', position = 3, hash = '', previous_hash = '' \
            where position is null",
        "update audit_log set position = position + 10 where position = 2",
        "delete from audit_log",
        "truncate audit_log",
        "insert into audit_log (at, caller, caller_kind, action, outcome, position, hash, \
            previous_hash) values (now(), 'x', 'NODE', 'x', 'DONE', 3, '', '')",
        "insert into audit_log (seq, at, caller, caller_kind, action, outcome) \
            values (0, now(), 'x', 'NODE', 'x', 'DONE')",
    ] {
        let answer = log.cluster.sql.batch_execute(statement).await;
        assert!(answer.is_err(), "{statement}");
    }
    assert_eq!(log.cluster.dump("audit_log").await, before);
}

#[actix::test]
async fn a_row_that_is_committed_late_gets_the_next_place() {
    let log = Log::with(0, 0).await;
    let late = log.cluster.database.client().await;
    let insert = "insert into audit_log (at, caller, caller_kind, action, outcome) \
        values (now(), 'late', 'NODE', 'x', 'DONE')";
    late.batch_execute(&format!("begin; {insert}"))
        .await
        .unwrap();
    log.write(2).await;
    log.seal().await;
    late.batch_execute("commit").await.unwrap();
    log.seal().await;
    let places = "select concat_ws(' ', caller, position) from audit_log order by seq";
    let places = log.cluster.texts(places, &[]).await;
    assert_eq!(places, ["late 3", "node horolog 1", "node horolog 2"]);
    assert_eq!(log.whole().await, 3);
}

#[actix::test]
async fn concurrent_writers_and_sealers_make_one_chain() {
    let log = Log::with(0, 0).await;
    let writers = (0..6).map(|_| log.write(25));
    let sealer = async {
        for _ in 0..40 {
            log.seal().await;
        }
    };
    futures_util::join!(futures_util::future::join_all(writers), sealer, async {
        for _ in 0..40 {
            log.seal().await;
        }
    });
    log.seal().await;
    assert_eq!(log.whole().await, 150);
}

#[actix::test]
async fn a_purge_keeps_the_chain_whole_and_a_deletion_does_not() {
    let log = Log::with(0, 0).await;
    let store = &log.cluster.store;
    let old = "insert into audit_log (at, caller, caller_kind, action, outcome) \
        select now() - interval '10 days', 'old', 'NODE', 'x', 'DONE' from generate_series(1, 5)";
    log.cluster.execute(old, &[]).await;
    log.write(3).await;
    log.seal().await;
    let days = |days: u64| Duration::from_hours(24 * days);
    assert_eq!(store.purge_audit_log(days(20)).await.unwrap(), 0);
    assert_eq!(store.purge_audit_log(Duration::MAX).await.unwrap(), 0);

    assert_eq!(store.purge_audit_log(days(5)).await.unwrap(), 5);

    assert_eq!(log.whole().await, 3, "the entry of the purge is not sealed");
    log.seal().await;
    assert_eq!(log.whole().await, 4);
    assert_eq!(store.purge_audit_log(days(5)).await.unwrap(), 0);

    log.tamper("delete from audit_log where position = 6").await;
    assert_eq!(log.broken().await, 6, "more than the purge has removed");
}

#[actix::test]
async fn the_last_row_is_never_purged() {
    let log = Log::with(0, 0).await;
    let old = "insert into audit_log (at, caller, caller_kind, action, outcome) \
        select now() - interval '10 days', 'old', 'NODE', 'x', 'DONE' from generate_series(1, 3)";
    log.cluster.execute(old, &[]).await;
    let day = Duration::from_hours(24);
    let store = &log.cluster.store;
    assert_eq!(
        store.purge_audit_log(day).await.unwrap(),
        0,
        "no row is sealed"
    );
    log.seal().await;
    assert_eq!(store.purge_audit_log(day).await.unwrap(), 2);
    log.seal().await;
    assert_eq!(log.whole().await, 2);
}

#[actix::test]
async fn a_hash_of_a_log_shows_that_the_end_was_cut_off() {
    let log = Log::with(4, 0).await;
    let hashes = "select encode(hash, 'hex') from audit_log order by position";
    let hashes = log.cluster.texts(hashes, &[]).await;
    let since = |hash: &str| {
        let hash = parse_hex(hash).unwrap();
        log.cluster.store.verify_audit_log(Some(hash))
    };
    let Verdict::Whole { rows, end, .. } = since(&hashes[1]).await.unwrap() else {
        panic!("broken")
    };
    assert_eq!((rows, end.position), (2, 4));
    assert_eq!(hex(&end.hash), hashes[3]);
    log.tamper("delete from audit_log where position > 2").await;
    assert_eq!(log.whole().await, 2, "by itself the log does not show it");
    assert_eq!(since(&hashes[3]).await.unwrap(), Verdict::NoSuchHash);
}

async fn horolog(log: &Log, arguments: &[&str]) -> (i32, String, String) {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_horolog"))
        .args(arguments)
        .env("DATABASE_URL", log.cluster.database.url())
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

#[actix::test]
async fn the_program_verifies_and_exports() {
    let log = Log::with(3, 1).await;
    let (code, out, _) = horolog(&log, &["audit-log", "verify"]).await;
    assert_eq!(code, 0);
    assert!(
        out.contains("whole: 3 rows up to position 3, 1 not sealed"),
        "{out}"
    );

    let (code, out, _) = horolog(&log, &["audit-log", "export"]).await;
    assert_eq!(code, 0);
    let rows: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[2]["details"]["number"], 2);
    assert_eq!(
        (&rows[2]["position"], &rows[3]["position"]),
        (&3.into(), &().into())
    );

    let hash = rows[2]["hash"].as_str().unwrap();
    let since = ["audit-log", "verify", "--since-hash", hash];
    assert_eq!(horolog(&log, &since).await.0, 0);
    log.tamper("update audit_log set caller = 'eve' where position = 2")
        .await;
    let (code, _, said) = horolog(&log, &["audit-log", "verify"]).await;
    assert_eq!(code, 1);
    assert!(
        said.contains("broken at position 2: the row was changed"),
        "{said}"
    );
    assert_eq!(horolog(&log, &since).await.0, 0, "what follows is whole");
    log.tamper("delete from audit_log where position = 3").await;
    assert_eq!(horolog(&log, &since).await.0, 1);
    let odd = ["audit-log", "verify", "--since-hash", "xyz"];
    assert_eq!(horolog(&log, &odd).await.0, 2);
}

#[actix::test]
async fn commands_of_the_command_line_are_entries() {
    let log = Log::with(0, 0).await;
    for command in ["pause-cluster", "resume-cluster"] {
        assert_eq!(horolog(&log, &[command]).await.0, 0);
    }
    let entries = "select concat_ws(' ', caller_kind, action, object_kind) from audit_log \
        order by seq";
    assert_eq!(
        log.cluster.texts(entries, &[]).await,
        [
            "COMMAND pauseCluster cluster",
            "COMMAND resumeCluster cluster"
        ]
    );
}

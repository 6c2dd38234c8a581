//! The audit log: what leaves an entry, what an entry says, and what leaves none.

use crate::accounts;
use crate::api_node::ApiNode;
use crate::support::{TestCluster, eventually, fixed_rate};
use horolog::actors::job_manager::RunJobNow;
use horolog::model::access::{Caller, CallerKind, NamespaceRoles, Role};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// A text that is a secret wherever it stands.
const SECRET: &str = "c4n4ry";

const ENTRIES: &str = "select concat_ws(' ', caller, action, object_kind, object_name, outcome,
    details::text) from audit_log order by seq";

/// The mutations of the schema.
fn mutations() -> BTreeSet<String> {
    let schema = include_str!("../schema.graphql");
    let (_, rest) = schema.split_once("type Mutation {").unwrap();
    let (fields, _) = rest.split_once("\n}").unwrap();
    // Descriptions are the odd parts.
    let parts = fields.split("\"\"\"").step_by(2);
    let lines = parts
        .flat_map(str::lines)
        .map(str::trim)
        .filter(|line| !line.is_empty());
    lines
        .map(|line| line.split(['(', ':']).next().unwrap().to_owned())
        .collect()
}

/// A node, and the mutations that were sent to it.
struct Walk {
    node: ApiNode,
    sql: tokio_postgres::Client,
    sent: BTreeSet<String>,
}

impl Walk {
    async fn start() -> Self {
        let node = ApiNode::start().await;
        let sql = node.database.client().await;
        Self {
            node,
            sql,
            sent: BTreeSet::new(),
        }
    }

    /// The entries of commands. A node on a busy machine may have decided something, too.
    async fn entries(&self) -> Vec<Value> {
        let query = "select to_jsonb(l) from audit_log l where caller_kind <> 'NODE' order by seq";
        let rows = self.sql.query(query, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Sends a mutation that leaves one entry; its answer and the entry.
    async fn send(&mut self, mutation: &str, variables: Value) -> (Value, Value) {
        let before = self.entries().await.len();
        let name = mutation.split(['(', ' ']).next().unwrap();
        let declared = [
            ("input", "CreateJobInput!"),
            ("inputs", "[CreateJobInput!]!"),
            ("calendar", "CalendarInput!"),
            ("blackout", "BlackoutInput!"),
            ("secret", "CreateSecretInput!"),
            ("change", "UpdateSecretInput!"),
            ("payload", "JSON"),
            ("run", "EnqueueInput!"),
            ("runs", "[EnqueueInput!]!"),
        ];
        let declared: Vec<String> = declared
            .iter()
            .filter(|(variable, _)| variables.get(variable).is_some())
            .map(|(variable, of)| format!("${variable}: {of}"))
            .collect();
        let declared = if declared.is_empty() {
            String::new()
        } else {
            format!("({})", declared.join(", "))
        };
        let query = format!("mutation{declared} {{ {mutation} }}");
        let mut answer = self.node.data(&query, variables).await;
        let mut entries = self.entries().await;
        assert_eq!(entries.len(), before + 1, "{name}: {entries:#?}");
        let entry = entries.remove(before);
        assert_eq!(entry["action"], name);
        let said = ["caller", "caller_kind", "address", "outcome"].map(|column| &entry[column]);
        assert_eq!(
            said,
            ["anonymous", "ANONYMOUS", "127.0.0.1", "DONE"],
            "{name}"
        );
        self.sent.insert(name.to_owned());
        (answer[name].take(), entry)
    }

    /// The same for a mutation about this job.
    async fn send_about(&mut self, job: &str, mutation: &str, variables: Value) -> Value {
        let mutation = mutation.replace("JOB", &format!("id: \"{job}\""));
        let (answer, entry) = self.send(&mutation, variables).await;
        assert_eq!(
            (&entry["object_kind"], &entry["object_id"]),
            (&json!("job"), &json!(job)),
            "{mutation}"
        );
        answer
    }

    /// Waits until an execution of a job has this status; its id.
    async fn execution(&self, job: &str, status: &str) -> String {
        eventually("the execution has its status", async || {
            let logs = self.node.logs(job).await;
            let found = logs.iter().find(|row| row["status"] == status)?;
            Some(found["id"].as_str()?.to_owned())
        })
        .await
    }

    async fn jobs(&mut self) {
        let input = json!({"name": "nightly", "scheduleType": "FIXED_RATE", "tags": ["t"],
            "intervalSeconds": 86_400, "initialDelaySeconds": 86_400, "payload": {"x": SECRET},
            "target": {"http": {"url": "http://127.0.0.1:1/", "body": SECRET,
                "headers": {"Authorization": SECRET}}}});
        let created = self
            .send("createJob(input: $input) { id }", json!({"input": input}))
            .await;
        let job = created.0["id"].as_str().unwrap().to_owned();
        assert_eq!(created.1["object_id"], job.as_str());
        assert_eq!(created.1["object_name"], "nightly");
        let two = json!({"inputs": [input, input]});
        let (_, entry) = self.send("createJobs(inputs: $inputs) { id }", two).await;
        assert_eq!(entry["details"], json!({"count": 2}));
        let update = "updateJob(JOB, input: $input, version: 0) { id }";
        self.send_about(&job, update, json!({"input": input})).await;
        let pause = "pauseJob(JOB, reason: \"r\", cancelRunning: true) { id }";
        self.send_about(&job, pause, json!({})).await;
        let entry = self.entries().await.pop().unwrap();
        assert_eq!(
            entry["details"],
            json!({"version": {"before": 1, "after": 2}, "reason": "r", "cancelRunning": true})
        );
        self.send_about(&job, "resumeJob(JOB) { id }", json!({}))
            .await;
        let payload = json!({"payload": {"token": SECRET}});
        let plain = json!({"name": "noop", "scheduleType": "FIXED_RATE", "tags": ["t"],
            "intervalSeconds": 86_400, "initialDelaySeconds": 86_400,
            "target": {"noop": {"sleepMillis": 3_600_000}}});
        let (created, _) = self
            .send("createJob(input: $input) { id }", json!({"input": plain}))
            .await;
        let noop = created["id"].as_str().unwrap().to_owned();
        self.send_about(&noop, "runJobNow(JOB, payload: $payload)", payload)
            .await;
        let run = json!({"jobId": noop, "payload": SECRET, "delaySeconds": 86_400,
            "uniqueKey": "k"});
        let one = "enqueue(input: $run) { executionId }";
        self.send_about(&noop, one, json!({"run": run})).await;
        let mut other = run.clone();
        other["uniqueKey"] = json!("other");
        let many = "enqueueMany(inputs: $runs) { created }";
        let (_, entry) = self.send(many, json!({"runs": [run, other]})).await;
        assert_eq!(entry["details"], json!({"count": 2, "created": 1}));
        let running = self.execution(&noop, "RUNNING").await;
        let cancel = format!("cancelExecution(id: \"{running}\")");
        self.send_about(&noop, &cancel, json!({})).await;
        let ended = self.execution(&noop, "CANCELLED").await;
        let rerun = format!("rerunExecution(id: \"{ended}\") {{ id }}");
        self.send_about(&noop, &rerun, json!({})).await;
        let backfill = "backfillJob(JOB, from: \"2020-01-01T00:00:00Z\", \
            to: \"2020-02-01T00:00:00Z\", firesPerMinute: 1) { id }";
        let cron = json!({"name": "old", "scheduleType": "CRON", "cronExpression": "0 0 * * *"});
        let cron = self.node.create(cron).await;
        let started = self.send_about(&cron, backfill, json!({})).await;
        let cancel = format!("cancelBackfill(id: {})", started["id"]);
        self.send_about(&cron, &cancel, json!({})).await;
        self.send_about(&cron, "deleteJob(JOB, cancelRunning: true)", json!({}))
            .await;
    }

    async fn many(&mut self) {
        let filter = "filter: {tags: [\"t\"]}";
        for mutation in ["pauseJobs", "resumeJobs", "runJobsNow"] {
            let mutation = format!("{mutation}({filter}) {{ matched }}");
            let (answer, entry) = self.send(&mutation, json!({})).await;
            assert_eq!(entry["details"]["filter"], json!({"tags": ["t"]}));
            assert_eq!(entry["details"]["matched"], answer["matched"]);
        }
        let jobs = "jobs: {tags: [\"t\"]}";
        let cancel = format!("cancelExecutions({jobs}) {{ matched }}");
        self.send(&cancel, json!({})).await;
        self.send("cancelExecutions(filter: {ids: []}) { matched }", json!({}))
            .await;
        let rerun = format!("rerunExecutions(filter: {{kind: [MANUAL]}}, {jobs}) {{ matched }}");
        self.send(&rerun, json!({})).await;
        let delete = format!("deleteJobs({filter}, cancelRunning: true) {{ matched }}");
        self.send(&delete, json!({})).await;
        self.send("deleteJobs(filter: {ids: []}) { matched }", json!({}))
            .await;
    }

    async fn exclusions(&mut self) {
        let mut calendar = json!({"name": "c", "excludeDates": ["12-25"]});
        let of = |calendar: &Value| json!({"calendar": calendar});
        self.send("createCalendar(input: $calendar) { name }", of(&calendar))
            .await;
        calendar["timeZone"] = json!("Europe/Berlin");
        let update = "updateCalendar(input: $calendar, version: 0) { name }";
        let (_, entry) = self.send(update, of(&calendar)).await;
        assert_eq!(
            (&entry["object_kind"], &entry["object_id"]),
            (&json!("calendar"), &json!("c"))
        );
        assert_eq!(
            entry["details"],
            json!({"before": {"timeZone": "UTC"}, "after": {"timeZone": "Europe/Berlin"}})
        );
        self.send("deleteCalendar(name: \"c\")", json!({})).await;
        let blackout = json!({"blackout": {"reason": "r", "startsAt": "2030-01-01T00:00:00Z",
            "endsAt": "2030-01-02T00:00:00Z"}});
        let create = "createBlackout(input: $blackout) { id }";
        let (created, _) = self.send(create, blackout).await;
        let id = &created["id"];
        let set = format!("setBlackoutEnd(id: {id}, endsAt: \"2030-01-03T00:00:00Z\") {{ id }}");
        let (_, entry) = self.send(&set, json!({})).await;
        assert_eq!(
            entry["details"],
            json!({"before": {"endsAt": "2030-01-02T00:00:00.000Z"},
                "after": {"endsAt": "2030-01-03T00:00:00.000Z"}})
        );
        self.send(&format!("endBlackout(id: {id}) {{ id }}"), json!({}))
            .await;
    }

    async fn secrets(&mut self) {
        let secret = json!({"name": "s", "value": format!("{SECRET} {SECRET}"),
            "hosts": ["a.example"]});
        let create = "createSecret(input: $secret) { name }";
        let (_, entry) = self.send(create, json!({"secret": secret})).await;
        assert_eq!(
            (&entry["object_kind"], &entry["object_id"]),
            (&json!("secret"), &json!("default/s"))
        );
        let change = json!({"name": "s", "value": format!("{SECRET}{SECRET}")});
        let update = "updateSecret(input: $change) { name }";
        let (_, entry) = self.send(update, json!({"change": change})).await;
        assert_eq!(
            entry["details"],
            json!({"before": {"version": 1}, "after": {"version": 2}, "hasNewValue": true})
        );
        self.send("deleteSecret(name: \"s\")", json!({})).await;
    }

    async fn namespaces(&mut self) {
        let create = "createNamespace(input: {name: \"team\", maxJobs: 5}) { name }";
        let (_, entry) = self.send(create, json!({})).await;
        assert_eq!(
            (&entry["object_kind"], &entry["object_id"]),
            (&json!("namespace"), &json!("team"))
        );
        let update = "updateNamespace(input: {name: \"team\", maxJobs: 6}) { name }";
        let (_, entry) = self.send(update, json!({})).await;
        assert_eq!(
            entry["details"],
            json!({"before": {"maxJobs": 5}, "after": {"maxJobs": 6}})
        );
        self.send("deleteNamespace(name: \"team\")", json!({}))
            .await;
    }

    async fn cluster(&mut self) {
        self.send("pauseCluster(reason: \"r\")", json!({})).await;
        self.send("resumeCluster", json!({})).await;
        let nodes = self.node.data("{ nodes { id } }", json!({})).await;
        let id = &nodes["nodes"][0]["id"];
        let (_, entry) = self.send(&format!("drainNode(id: {id})"), json!({})).await;
        assert_eq!(entry["object_name"], "api-test");
    }
}

#[actix::test]
async fn each_mutation_leaves_one_entry_and_no_secret() {
    let mut walk = Walk::start().await;
    walk.jobs().await;
    walk.many().await;
    walk.exclusions().await;
    walk.secrets().await;
    walk.namespaces().await;
    walk.cluster().await;
    walk.sent.extend(accounts::MUTATIONS.map(str::to_owned));
    assert_eq!(walk.sent, mutations(), "a mutation without a test here");

    let log = Value::Array(walk.entries().await).to_string();
    assert!(!log.contains(SECRET), "{log}");
}

#[actix::test]
async fn what_is_not_done_leaves_no_entry() {
    let walk = Walk::start().await;
    let unknown = "id: \"0199d0a5-0000-7000-8000-000000000000\"";
    let job = json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600});
    let job = walk.node.create(job).await;
    let calendar = "createCalendar(input: {name: \"c\"}) { name }";
    walk.node
        .data(&format!("mutation {{ {calendar} }}"), json!({}))
        .await;
    let before = walk.entries().await.len();
    assert_eq!(before, 2);
    for mutation in [
        calendar.to_owned(),
        format!("pauseJob({unknown}) {{ id }}"),
        format!("deleteJob({unknown})"),
        format!("runJobNow({unknown})"),
        format!("cancelExecution({unknown})"),
        format!("drainNode({unknown})"),
        format!("endBlackout({unknown}) {{ id }}"),
        "resumeCluster".to_owned(),
        "deleteCalendar(name: \"unknown\")".to_owned(),
        "updateCalendar(input: {name: \"c\"}, version: 7) { name }".to_owned(),
    ] {
        walk.node
            .error(&format!("mutation {{ {mutation} }}"), json!({}))
            .await;
    }
    for mutation in ["cancelExecutions", "rerunExecutions"] {
        let only_counts =
            format!("mutation {{ {mutation}(all: true, dryRun: true) {{ matched }} }}");
        walk.node.data(&only_counts, json!({})).await;
    }
    // The change fails at its end: the entry is in the same transaction.
    let refuse = "create function refuse() returns trigger language plpgsql as $$
        begin raise exception 'no'; end $$;
        create trigger refuse after insert on job_definition_version
            for each row execute function refuse()";
    walk.sql.batch_execute(refuse).await.unwrap();
    let pause = format!("mutation {{ pauseJob(id: \"{job}\") {{ id }} }}");
    walk.node.error(&pause, json!({})).await;

    assert_eq!(walk.entries().await.len(), before);
}

#[actix::test]
async fn a_change_whose_entry_cannot_be_written_is_not_made() {
    let walk = Walk::start().await;
    let refuse = "alter table audit_log add constraint nothing check (action <> 'createCalendar')";
    walk.sql.batch_execute(refuse).await.unwrap();
    let create = "mutation { createCalendar(input: {name: \"c\"}) { name } }";
    let error = walk.node.error(create, json!({})).await;
    assert_eq!(error["extensions"]["code"], "INTERNAL", "{error}");
    let calendars = walk.node.data("{ calendars { name } }", json!({})).await;
    assert_eq!(calendars["calendars"], json!([]));
}

#[actix::test]
async fn firing_writes_nothing() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(10)).await;
    cluster.command(RunJobNow(job.id)).await;
    let before = cluster.dump("audit_log").await;
    assert_eq!(before.len(), 2);
    for _ in 0..3 {
        cluster.advance(10);
        node.poll().await;
        node.settle_all().await;
        node.reconcile().await;
    }
    assert!(cluster.ledger(&job).await.len() >= 4);
    assert_eq!(cluster.dump("audit_log").await, before);
}

#[actix::test]
async fn a_flood_of_refusals_writes_a_few_rows_and_counts_the_rest() {
    const FLOOD: u64 = 2_000;
    let cluster = TestCluster::start().await;
    let caller = Arc::new(Caller {
        kind: CallerKind::Token,
        id: Some(Uuid::new_v4()),
        name: "ci".into(),
        role: Some(Role::Viewer),
        namespace_roles: NamespaceRoles::default(),
        address: Some("10.0.0.7".parse().unwrap()),
    });
    let reason = "deleteJobs needs the role EDITOR";
    for _ in 0..FLOOD {
        cluster
            .store
            .record_refusal(&caller, "deleteJobs", reason)
            .await
            .unwrap();
    }
    let counted = "select count(*)::text, (count(*) + coalesce(sum((details ->> 'unrecorded')::int), 0))::text
        from audit_log where outcome = 'REFUSED'";
    let row = cluster.sql.query_one(counted, &[]).await.unwrap();
    let rows: u64 = row.get::<_, String>(0).parse().unwrap();
    assert!(rows < 200, "{rows} rows");
    let first = cluster.texts(&format!("{ENTRIES} limit 1"), &[]).await;
    let refused = format!("token ci deleteJobs REFUSED {{\"reason\":\"{reason}\"}}");
    assert_eq!(first, [refused]);

    // A later pass writes what is left to count, in a row of its own.
    let total = eventually("the rest is counted", async || {
        cluster.store.record_counted_refusals().await.unwrap();
        let row = cluster.sql.query_one(counted, &[]).await.unwrap();
        let total: u64 = row.get::<_, String>(1).parse().unwrap();
        // The row that counts is no refusal itself.
        (total >= FLOOD).then_some(total)
    })
    .await;
    assert!(total <= FLOOD + 1, "{total}");
}

#[actix::test]
async fn the_api_lists_entries_by_filter_a_page_at_a_time() {
    let mut walk = Walk::start().await;
    walk.exclusions().await;
    let job = json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600});
    let job = walk.node.create(job).await;
    let pause = format!("mutation {{ pauseJob(id: \"{job}\") {{ id }} }}");
    walk.node.data(&pause, json!({})).await;
    let query = "query($filter: AuditFilter, $first: Int, $after: String) {
        auditLog(filter: $filter, first: $first, after: $after) {
            nodes { id at caller callerKind address action objectKind objectId objectName outcome details }
            edges { cursor } pageInfo { hasNextPage hasPreviousPage endCursor } } }";
    let page = async |variables: Value| walk.node.data(query, variables).await["auditLog"].take();
    let actions = |page: &Value| -> Vec<String> {
        let nodes = page["nodes"].as_array().unwrap();
        nodes
            .iter()
            .filter(|node| node["callerKind"] != "NODE")
            .map(|node| node["action"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = page(json!({})).await;
    assert_eq!(actions(&all).len(), 8);
    assert_eq!(actions(&all)[..2], ["pauseJob", "createJob"]);
    let of_job = page(json!({"filter": {"objectId": job}})).await;
    assert_eq!(actions(&of_job), ["pauseJob", "createJob"]);
    for (filter, count) in [
        (json!({"action": "createCalendar"}), 1),
        (json!({"objectKind": "blackout"}), 3),
        (json!({"caller": "anonymous"}), 8),
        (json!({"caller": "ada"}), 0),
        (json!({"outcome": "REFUSED"}), 0),
        (
            json!({"outcome": "DONE", "objectKind": "calendar", "objectId": "c"}),
            3,
        ),
        (json!({"from": "2020-01-01T00:00:00Z"}), 8),
        (json!({"to": "2020-01-01T00:00:00Z"}), 0),
    ] {
        let found = page(json!({"filter": filter})).await;
        assert_eq!(actions(&found).len(), count, "{filter}");
    }
    let (mut paged, mut after) = (Vec::new(), Value::Null);
    loop {
        let found = page(json!({"first": 3, "after": after})).await;
        paged.extend(actions(&found));
        after = found["pageInfo"]["endCursor"].clone();
        if found["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(paged, actions(&all));
    for after in [
        "x",
        "1",
        "1-",
        "-1",
        "99999999999999999999-1",
        "9223372036854775807-1",
    ] {
        let error = walk.node.error(query, json!({"after": after})).await;
        assert_eq!(error["extensions"]["field"], "after", "{after}");
    }
}

/// An API node seals by itself.
#[actix::test]
async fn a_node_seals_what_is_written() {
    let mut walk = Walk::start().await;
    walk.exclusions().await;
    eventually("all is sealed", async || {
        let unsealed = "select from audit_log where position is null";
        walk.sql
            .query(unsealed, &[])
            .await
            .unwrap()
            .is_empty()
            .then_some(())
    })
    .await;
}

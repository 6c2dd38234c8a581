//! What is told while somebody listens, and what the overview says.

use crate::api_node::ApiNode;
use crate::deliveries::Deliveries;
use crate::support::{TestCluster, eventually, fixed_rate, with};
use futures_util::{SinkExt, StreamExt};
use horolog::actors::job_manager::CreateJobs;
use horolog::model::job_request::JobRequest;
use horolog::model::payload::Payload;
use horolog::model::policies::MisfirePolicy;
use horolog::store::changes::{ExecutionsSeen, JobsSeen};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A client of the subscriptions.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects to a node or a balancer.
    pub async fn open(url: &str, origin: Option<&str>) -> Result<Self, Error> {
        let address = url.replacen("http", "ws", 1) + "/graphql";
        let mut request = address.into_client_request()?;
        request.headers_mut().insert(
            "sec-websocket-protocol",
            "graphql-transport-ws".parse().unwrap(),
        );
        if let Some(origin) = origin {
            request
                .headers_mut()
                .insert("origin", origin.parse().unwrap());
        }
        let mut socket = Self(connect_async(request).await?.0);
        socket.send(json!({"type": "connection_init"})).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        Ok(socket)
    }

    pub async fn send(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    /// The next message that is no sign of life.
    pub async fn next(&mut self) -> Value {
        loop {
            let message = self.0.next().await.expect("the socket is open").unwrap();
            match message {
                Message::Text(text) if !text.contains("\"ping\"") => {
                    return serde_json::from_str(&text).unwrap();
                }
                _ => {}
            }
        }
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({"id": id, "type": "subscribe", "payload": {"query": query}}))
            .await;
    }

    /// The data of the next event.
    pub async fn event(&mut self) -> Value {
        let mut message = self.next().await;
        assert_eq!(message["type"], "next", "{message}");
        message["payload"]["data"].take()
    }
}

async fn create(node: &ApiNode, name: &str) -> String {
    let input = json!({"name": name, "scheduleType": "FIXED_RATE", "intervalSeconds": 3600, "initialDelaySeconds": 3600});
    node.create(input).await
}

#[actix::test]
async fn whoever_listens_is_told_what_changes() {
    let node = ApiNode::start().await;
    let job = create(&node, "told").await;
    let mut socket = Socket::open(&node.url, Some(&node.url)).await.unwrap();
    socket
        .subscribe("jobs", "subscription { jobUpdated { id status } }")
        .await;
    socket
        .subscribe(
            "executions",
            "subscription { executionUpdated { jobId jobName status } }",
        )
        .await;

    // A feed tells what is new since its first poll, so the change is made until it is told.
    let (pause, resume) = ("pauseJob", "resumeJob");
    let mut told = Vec::new();
    for command in [pause, resume].into_iter().cycle().take(200) {
        node.data(
            &format!("mutation($id: ID!) {{ {command}(id: $id) {{ id }} runJobNow(id: $id) }}"),
            json!({"id": job}),
        )
        .await;
        while let Ok(event) =
            tokio::time::timeout(std::time::Duration::from_millis(100), socket.event()).await
        {
            told.push(event);
        }
        let has = |field: &str| told.iter().any(|event| !event[field].is_null());
        if has("jobUpdated") && has("executionUpdated") {
            break;
        }
    }
    let of = |field: &str| {
        told.iter()
            .find(|event| !event[field].is_null())
            .expect(field)[field]
            .clone()
    };
    assert_eq!(of("jobUpdated")["id"], json!(job));
    assert_eq!(
        (
            &of("executionUpdated")["jobId"],
            &of("executionUpdated")["jobName"]
        ),
        (&json!(job), &json!("told"))
    );
}

#[actix::test]
async fn the_overview_and_the_nodes_are_told_each_second() {
    let node = ApiNode::start().await;
    create(&node, "a job").await;
    let mut socket = Socket::open(&node.url, None).await.unwrap();
    socket
        .subscribe(
            "1",
            "subscription { overviewUpdated { cluster { activeJobs } dueNow attention { kind } } }",
        )
        .await;
    for _ in 0..2 {
        let overview = socket.event().await["overviewUpdated"].take();
        assert_eq!(
            (&overview["cluster"]["activeJobs"], &overview["dueNow"]),
            (&json!(1), &json!(0))
        );
    }
    socket.send(json!({"id": "1", "type": "complete"})).await;
    socket
        .subscribe("2", "subscription { nodeUpdated { state heartbeatAt } }")
        .await;
    loop {
        let message = socket.next().await;
        if message["id"] == "2" {
            assert_eq!(message["payload"]["data"]["nodeUpdated"]["state"], "ACTIVE");
            break;
        }
    }
}

#[actix::test]
async fn who_listens_later_is_told_the_last_overview_without_another_poll() {
    let node = ApiNode::start().await;
    let query = "subscription { overviewUpdated { cluster { activeJobs } } }";
    let mut first = Socket::open(&node.url, None).await.unwrap();
    first.subscribe("1", query).await;
    first.event().await;
    // From here on no poll ends.
    let locking = node.database.client().await;
    locking
        .batch_execute("begin; lock table job_definition in access exclusive mode")
        .await
        .unwrap();
    let mut second = Socket::open(&node.url, None).await.unwrap();
    second.subscribe("1", query).await;
    assert_eq!(
        second.event().await["overviewUpdated"]["cluster"]["activeJobs"],
        0
    );
}

#[actix::test]
async fn a_page_of_another_site_opens_no_socket() {
    let node = ApiNode::start().await;
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1", ""] {
        let Err(Error::Http(refused)) = Socket::open(&node.url, Some(origin)).await else {
            panic!("{origin} was let in")
        };
        assert_eq!(refused.status(), 403, "{origin}");
    }
}

#[actix::test]
async fn a_bad_subscription_is_refused_and_the_socket_goes_on() {
    let node = ApiNode::start().await;
    let mut socket = Socket::open(&node.url, None).await.unwrap();
    socket
        .subscribe(
            "1",
            "subscription { executionUpdated(jobId: \"nonsense\") { id } }",
        )
        .await;
    let refused = socket.next().await;
    assert!(refused.to_string().contains("BAD_USER_INPUT"), "{refused}");
    socket
        .subscribe(
            "2",
            "subscription { overviewUpdated { cluster { activeJobs } } }",
        )
        .await;
    loop {
        let message = socket.next().await;
        if message["id"] == "2" {
            assert_eq!(
                message["payload"]["data"]["overviewUpdated"]["cluster"]["activeJobs"],
                0
            );
            break;
        }
    }
}

#[actix::test]
async fn changes_are_found_once() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(600)).await;
    let node = cluster.node().await;
    let (mut executions, mut jobs) = (ExecutionsSeen::default(), JobsSeen::default());
    assert!(
        node.store
            .changed_executions(&mut executions)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        node.store.changed_jobs(&mut jobs).await.unwrap().is_empty(),
        "the first poll only learns"
    );

    node.poll().await;
    let changed = node
        .store
        .changed_executions(&mut executions)
        .await
        .unwrap();
    assert_eq!(
        changed
            .iter()
            .map(|found| found.status.as_str())
            .collect::<Vec<_>>(),
        ["RUNNING"]
    );
    node.settle_all().await;
    let changed = node
        .store
        .changed_executions(&mut executions)
        .await
        .unwrap();
    assert_eq!(
        changed
            .iter()
            .map(|found| found.status.as_str())
            .collect::<Vec<_>>(),
        ["SUCCESS"]
    );
    assert!(
        node.store
            .changed_executions(&mut executions)
            .await
            .unwrap()
            .is_empty()
    );

    cluster.advance(1);
    node.store.pause_job(job.id, None).await.unwrap();
    assert_eq!(node.store.changed_jobs(&mut jobs).await.unwrap().len(), 1);
    assert!(node.store.changed_jobs(&mut jobs).await.unwrap().is_empty());
}

#[actix::test]
async fn more_changes_of_one_instant_than_a_poll_reads_do_not_hide_later_ones() {
    let cluster = TestCluster::start().await;
    let mut jobs = JobsSeen::default();
    let first = cluster.create(fixed_rate(600)).await;
    assert!(
        cluster
            .store
            .changed_jobs(&mut jobs)
            .await
            .unwrap()
            .is_empty(),
        "the first poll only learns"
    );
    cluster.advance(60);
    cluster
        .command(CreateJobs((0..1_000).map(|_| fixed_rate(600)).collect()))
        .await;
    assert_eq!(
        cluster.store.changed_jobs(&mut jobs).await.unwrap().len(),
        500,
        "of them some"
    );

    cluster.advance(60);
    cluster.store.pause_job(first.id, None).await.unwrap();

    let changed = cluster.store.changed_jobs(&mut jobs).await.unwrap();
    assert_eq!(changed.last().unwrap().id, first.id);
}

/// Bytes that an event may take, whatever its job or execution holds.
const EVENT_BYTES_MAX: usize = 16 * 1024;

#[actix::test]
async fn changes_hold_nothing_large() {
    let cluster = TestCluster::start().await;
    let large = || JobRequest {
        name: "x".repeat(255),
        description: Some("x".repeat(2_000)),
        tags: (0..20).map(|n| format!("{n:050}")).collect(),
        payload: Payload::of_json(format!("\"{}\"", "x".repeat(250_000))).ok(),
        ..fixed_rate(600)
    };
    let job = cluster.create(large()).await;
    let http = r#"{"http": {"url": "http://a.example/", "method": "POST", "body": "", "timeoutSeconds": 30}}"#;
    cluster.execute("update job_definition set target = jsonb_set($1::text::jsonb, '{http,body}', to_jsonb(repeat('x', 250000)))", &[&http]).await;
    let node = cluster.node().await;
    let (mut executions, mut jobs) = (ExecutionsSeen::default(), JobsSeen::default());
    node.store
        .changed_executions(&mut executions)
        .await
        .unwrap();
    node.store.changed_jobs(&mut jobs).await.unwrap();

    node.lease().await;
    cluster.execute("update job_execution_log set output = repeat('x', 64000), error_message = repeat('x', 64000), previous_attempts = (select jsonb_agg(repeat('x', 100)) from generate_series(1, 1000))", &[]).await;
    cluster.advance(1);
    node.store.pause_job(job.id, None).await.unwrap();

    let executions = node
        .store
        .changed_executions(&mut executions)
        .await
        .unwrap();
    let jobs = node.store.changed_jobs(&mut jobs).await.unwrap();
    assert_eq!((executions.len(), jobs.len()), (1, 1));
    let bytes = [format!("{executions:?}").len(), format!("{jobs:?}").len()];
    assert!(
        bytes.iter().all(|bytes| *bytes < EVENT_BYTES_MAX),
        "{bytes:?}"
    );
}

#[actix::test]
async fn a_listener_that_selects_what_is_large_is_told_it() {
    let (node, target) = (ApiNode::start().await, Deliveries::start());
    let payload = format!("{{\"v\":\"{}\"}}", "x".repeat(200_000));
    let input = json!({"name": "large", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600, "initialDelaySeconds": 3600,
        "payload": serde_json::from_str::<Value>(&payload).unwrap(), "target": {"http": {"url": format!("{}/", target.url)}}});
    let job = node.create(input).await;
    let mut socket = Socket::open(&node.url, None).await.unwrap();
    socket
        .subscribe("job", "subscription { jobUpdated { id payload target } }")
        .await;
    socket
        .subscribe(
            "execution",
            "subscription { executionUpdated { status output } }",
        )
        .await;

    let change = "mutation($id: ID!) { pauseJob(id: $id) { id } runJobNow(id: $id) }";
    let back = "mutation($id: ID!) { resumeJob(id: $id) { id } }";
    let (mut told_job, mut told_output) = (Value::Null, false);
    // A feed tells what is new since its first poll, so the change is made until it is told.
    eventually("both are told", async || {
        node.data(change, json!({"id": job})).await;
        node.data(back, json!({"id": job})).await;
        while let Ok(mut event) =
            tokio::time::timeout(std::time::Duration::from_millis(100), socket.event()).await
        {
            told_output |= event["executionUpdated"]["output"] == "done";
            if !event["jobUpdated"].is_null() {
                told_job = event["jobUpdated"].take();
            }
        }
        (told_output && !told_job.is_null()).then_some(())
    })
    .await;
    assert_eq!(told_job["payload"], json!(payload));
    assert_eq!(
        told_job["target"]["http"]["url"],
        json!(format!("{}/", target.url))
    );
}

#[actix::test]
async fn what_nodes_did_adds_up_in_ten_second_rows() {
    let cluster = TestCluster::start().await;
    let skip = with(fixed_rate(60), |policies| {
        policies.misfire_policy = MisfirePolicy::Skip
    });
    cluster.create(fixed_rate(600)).await;
    cluster.create(skip).await;
    let node = cluster.node().await;
    node.poll().await;
    node.settle_all().await;
    node.reconcile().await;
    cluster.advance(3_600);
    while node.poll().await.triggers > 0 {
        node.settle_all().await;
    }
    node.reconcile().await;
    node.reconcile().await;
    let rows = node.store.activity(120).await.unwrap();
    let sums = rows.iter().map(|(_, did)| {
        (
            did.fires,
            did.succeeded,
            did.skipped,
            did.lateness.iter().sum::<i64>(),
        )
    });
    assert_eq!(
        sums.collect::<Vec<_>>(),
        [(2, 2, 0, 2), (1, 1, 65, 1)],
        "a pass in which nothing was done writes nothing"
    );
    cluster.advance(26 * 3_600);
    node.reconcile().await;
    assert!(
        node.store.activity(10_000).await.unwrap().is_empty(),
        "kept for a day"
    );
}

#[actix::test]
async fn the_overview_says_what_a_person_should_look_at() {
    let cluster = TestCluster::start().await;
    let stuck = cluster.create(with(fixed_rate(600), |_| ())).await;
    let node = cluster.node().await;
    node.poll().await;
    cluster.advance(3_600);
    let overview = node.store.overview().await.unwrap();
    let kinds: Vec<&str> = overview
        .attention
        .iter()
        .map(|what| what.kind.as_str())
        .collect();
    assert_eq!(kinds, ["LATE", "STUCK"]);
    assert!(
        overview
            .attention
            .iter()
            .all(|what| what.job_id == Some(stuck.id)
                && what.job_name.as_ref() == Some(&stuck.definition.name))
    );
    assert_eq!(overview.due_now, 1);
    node.settle_all().await;
    while node.poll().await.triggers > 0 {
        node.settle_all().await;
    }
    let overview = node.store.overview().await.unwrap();
    assert!(
        overview.attention.is_empty() && overview.due_now == 0,
        "{overview:?}"
    );
    assert_eq!(overview.next_due.len(), 1);
}

#[actix::test]
async fn a_job_that_a_failure_paused_is_in_the_overview_once() {
    let node = ApiNode::start().await;
    let input = json!({"name": "bad", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600, "pauseOnFailure": true,
        "target": {"http": {"url": "http://127.0.0.1:1/"}}});
    node.create(input).await;
    let overview = eventually("it failed", async || {
        let query =
            "{ overview { failuresLastHour nextDue { jobName } attention { kind jobName message executionId } } }";
        let overview = node.data(query, json!({})).await["overview"].take();
        // The questions of an overview are asked one after another: the failure may come between
        // two.
        (overview["attention"].as_array().unwrap().len() == 1 && overview["failuresLastHour"] == 1).then_some(overview)
    })
    .await;
    assert_eq!(overview["attention"][0]["kind"], json!("PAUSED_BY_FAILURE"));
}

#[actix::test]
async fn what_is_to_come_is_counted_by_the_minute() {
    let node = ApiNode::start().await;
    // Half an hour away from now: the plan begins with the present minute, of which a fire time may
    // be over (seen at 08:00).
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let minute = (now.as_secs() / 60 + 30) % 60;
    for name in ["a", "b"] {
        let input = json!({"name": name, "scheduleType": "CRON", "cronExpression": format!("{minute} * * * *")});
        node.create(input).await;
    }
    node.create(json!({"name": "c", "scheduleType": "FIXED_DELAY", "intervalSeconds": 5}))
        .await;
    let query = "{ upcoming(hours: 24, stepMinutes: 60) { stepSeconds buckets jobs complete crowded { fires jobs } } }";
    let upcoming = node.data(query, json!({})).await["upcoming"].take();
    let buckets: Vec<i64> = serde_json::from_value(upcoming["buckets"].clone()).unwrap();
    assert_eq!((buckets.len(), buckets.iter().sum::<i64>()), (24, 48));
    assert_eq!(
        (
            &upcoming["jobs"],
            &upcoming["complete"],
            &upcoming["stepSeconds"]
        ),
        (&json!(2), &json!(true), &json!(3600))
    );
    assert_eq!(upcoming["crowded"].as_array().unwrap().len(), 10);
    assert_eq!(upcoming["crowded"][0]["fires"], 2);
    for (field, query) in [
        ("hours", "{ upcoming(hours: 169) { jobs } }"),
        ("stepMinutes", "{ upcoming(stepMinutes: 0) { jobs } }"),
        ("minutes", "{ activity(minutes: 0) { at } }"),
    ] {
        assert_eq!(
            node.error(query, json!({})).await["extensions"]["field"],
            field
        );
    }
}

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A sink that writes into the system's temporary directory, and the nodes whose death its targets
/// request.
async fn sink() -> (Sink, mpsc::UnboundedReceiver<Uuid>) {
    let (killer, wanted_dead) = mpsc::unbounded_channel();
    let journal = std::env::temp_dir().join(format!("horolog-sink-{}.jsonl", Uuid::new_v4()));
    let sink = Sink::start("127.0.0.1", &journal, killer)
        .await
        .expect("a free port");
    std::fs::remove_file(journal).expect("it was made");
    (sink, wanted_dead)
}

/// Sends a delivery, as Horolog does; the connection waits for the answer.
async fn deliver(sink: &Sink, target: &Target, execution: Uuid, attempt: i32) -> TcpStream {
    let url = url("", target);
    let (job, node) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let request = format!(
        "POST {url} HTTP/1.1\r\nhost: sink\r\ncontent-length: 0\r\nconnection: close\r\n\
         horolog-job-id: {job}\r\nhorolog-execution-id: {execution}\r\n\
         idempotency-key: {execution}\r\nhorolog-attempt: {attempt}\r\n\
         horolog-node-id: {node}\r\nhorolog-kind: SCHEDULE\r\n\
         horolog-fire-time: 2026-11-25T07:00:00.000Z\r\n\
         horolog-due-time: 2026-11-25T07:00:00.250Z\r\n\r\n"
    );
    let mut stream = TcpStream::connect(sink.address)
        .await
        .expect("the sink listens");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the sink reads");
    stream
}

async fn answered(mut stream: TcpStream) -> u16 {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
        .split(' ')
        .nth(1)
        .expect("a status")
        .parse()
        .expect("a number")
}

/// The only delivery, after its end.
async fn over(sink: &Sink) -> Delivery {
    loop {
        if let [delivery] = sink.deliveries().as_slice()
            && delivery.ended.is_some()
        {
            return delivery.clone();
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_target_survives_its_way_through_the_url() {
    let targets = [
        Target::default(),
        Target {
            delay: 5,
            delay_later: Some(0),
            fail: 2,
            body: 9,
            ..Target::default()
        },
        Target {
            hang: true,
            fenced: true,
            kill: true,
            poison: true,
            odd: true,
            ..Target::default()
        },
    ];
    for wanted in targets {
        let url = url("http://127.0.0.1:1", &wanted);
        assert_eq!(
            target(url.split_once('?').expect("a query").1),
            wanted,
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_delivery_is_written_down_with_its_answer() {
    let (sink, _killer) = sink().await;
    let execution = Uuid::from_u128(7);
    assert_eq!(
        answered(deliver(&sink, &Target::default(), execution, 3).await).await,
        200
    );

    let delivery = over(&sink).await;
    assert_eq!(
        (delivery.execution, delivery.attempt, delivery.status),
        (execution, 3, Some(200))
    );
    assert_eq!(delivery.due_time - delivery.fire_time, 250_000);
    assert!(delivery.effect && delivery.arrived <= now());
}

#[tokio::test]
async fn a_client_that_goes_away_is_noticed() {
    let (sink, _killer) = sink().await;
    let hangs = Target {
        hang: true,
        ..Target::default()
    };
    let stream = deliver(&sink, &hangs, Uuid::from_u128(7), 1).await;
    while sink.count() == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);

    assert_eq!(over(&sink).await.status, Some(CLIENT_WENT_AWAY));
}

#[tokio::test]
async fn a_target_fails_so_many_first_attempts() {
    let (sink, _killer) = sink().await;
    let fails = Target {
        fail: 2,
        ..Target::default()
    };
    let mut statuses = Vec::new();
    for attempt in 1..=3 {
        statuses.push(answered(deliver(&sink, &fails, Uuid::from_u128(7), attempt).await).await);
    }
    assert_eq!(statuses, [500, 500, 200]);
}

#[tokio::test]
async fn a_fenced_target_refuses_what_is_stale_and_takes_an_execution_once() {
    let (sink, _killer) = sink().await;
    let fenced = Target {
        fenced: true,
        ..Target::default()
    };
    let slow = Target {
        delay: 20,
        ..fenced
    };
    let execution = Uuid::from_u128(7);
    let first = deliver(&sink, &slow, execution, 1).await;
    while sink.count() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        answered(deliver(&sink, &fenced, execution, 2).await).await,
        200
    );
    assert_eq!(answered(first).await, 200, "the execution has succeeded");
    assert_eq!(
        answered(deliver(&sink, &fenced, execution, 1).await).await,
        200
    );

    let effects = sink
        .deliveries()
        .iter()
        .filter(|delivery| delivery.effect)
        .count();
    assert_eq!(effects, 1);
}

#[tokio::test]
async fn a_target_names_the_node_that_it_wants_dead() {
    let (sink, mut wanted_dead) = sink().await;
    let kills = Target {
        kill: true,
        ..Target::default()
    };
    assert_eq!(
        answered(deliver(&sink, &kills, Uuid::from_u128(7), 1).await).await,
        200
    );
    assert_eq!(wanted_dead.recv().await, Some(Uuid::from_u128(2)));
    assert_eq!(
        answered(deliver(&sink, &kills, Uuid::from_u128(7), 2).await).await,
        200
    );
    assert!(wanted_dead.is_empty(), "only a first attempt");
}

#[tokio::test]
async fn what_is_no_delivery_is_kept_for_the_verdict() {
    let (sink, _killer) = sink().await;
    let mut stream = TcpStream::connect(sink.address)
        .await
        .expect("the sink listens");
    stream
        .write_all(b"GET /job HTTP/1.1\r\nhost: sink\r\nconnection: close\r\n\r\n")
        .await
        .expect("it reads");
    assert_eq!(answered(stream).await, 400);
    assert_eq!(sink.malformed(), ["GET /job: there is no idempotency-key"]);
}

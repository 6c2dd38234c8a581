//! The target of all jobs: each delivery is recorded before its answer, and the job's URL decides
//! about the answer ([`Target`]).
//!
//! No answer comes before its record, and only the headers of a real target are used.

use super::journal::Journal;
use super::now;
use crate::history::Delivery;
use crate::job::Target;
use crate::micros::Micros;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use uuid::Uuid;

/// The status of a request whose client left before the answer (nginx's number).
const CLIENT_WENT_AWAY: u16 = 499;

/// The sink; clones share it.
#[derive(Clone)]
pub struct Sink {
    shared: Arc<Shared>,
    /// Address of the sink.
    pub address: SocketAddr,
}

struct Shared {
    journal: Journal,
    state: Mutex<State>,
    killer: mpsc::UnboundedSender<Uuid>,
}

#[derive(Default)]
struct State {
    deliveries: Vec<Delivery>,
    /// Of fenced executions: the highest attempt, and whether one succeeded.
    fences: HashMap<Uuid, (i32, bool)>,
    malformed: Vec<String>,
}

impl Sink {
    /// Listens on a free port of `address`; `killer` gets the ids of nodes whose death a target
    /// requests.
    pub async fn start(
        address: &str,
        journal: &Path,
        killer: mpsc::UnboundedSender<Uuid>,
    ) -> Result<Self, anyhow::Error> {
        let listener = TcpListener::bind((address, 0)).await?;
        let shared = Arc::new(Shared {
            journal: Journal::create(journal)?,
            state: Mutex::default(),
            killer,
        });
        let sink = Self {
            shared,
            address: listener.local_addr()?,
        };
        let accepting = sink.clone();
        tokio::spawn(async move {
            loop {
                // Out of descriptors, say: the next accept may do.
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                let sink = accepting.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(sink.clone(), request));
                    // The error is a client that went away, which the delivery records.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(sink)
    }

    /// All deliveries so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state().deliveries.clone()
    }

    /// How many have arrived.
    pub fn count(&self) -> usize {
        self.state().deliveries.len()
    }

    /// Requests that were no deliveries: each is a fault of the cluster.
    pub fn malformed(&self) -> Vec<String> {
        self.state().malformed.clone()
    }

    /// The nodes whose deliveries wait for their answer, with the number of each.
    pub fn in_flight(&self) -> HashMap<Uuid, usize> {
        let state = self.state();
        let mut waiting = HashMap::new();
        // Waiting deliveries are young: search from the end, as far as the longest delay may reach.
        for delivery in state
            .deliveries
            .iter()
            .rev()
            .take(10_000)
            .filter(|delivery| delivery.ended.is_none())
        {
            *waiting.entry(delivery.node).or_insert(0) += 1;
        }
        waiting
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the arrival; returns its index.
    fn arrived(&self, delivery: Delivery) -> usize {
        let mut state = self.state();
        // Under the lock: journal and memory have the same order.
        self.shared.journal.append(&delivery);
        state.deliveries.push(delivery);
        state.deliveries.len() - 1
    }

    fn ended(&self, index: usize, status: u16, effect: bool) {
        let mut state = self.state();
        let Some(delivery) = state.deliveries.get_mut(index) else {
            return;
        };
        // The first end counts: an answer, or the client that left before.
        if delivery.ended.is_none() {
            (delivery.ended, delivery.status, delivery.effect) =
                (Some(now()), Some(status), effect);
            self.shared.journal.append(delivery);
        }
    }

    /// The refusal of a fenced target for an attempt; none if the attempt is accepted.
    fn refusal(&self, delivery: &Delivery) -> Option<u16> {
        let mut state = self.state();
        let (highest, succeeded) = state.fences.entry(delivery.execution).or_insert((0, false));
        if *succeeded {
            return Some(200);
        }
        if delivery.attempt < *highest {
            return Some(409);
        }
        *highest = delivery.attempt;
        None
    }

    fn succeeded(&self, delivery: &Delivery) {
        self.state()
            .fences
            .insert(delivery.execution, (delivery.attempt, true));
    }
}

/// Records that the client went away, unless the answer came first.
struct Departure {
    sink: Sink,
    index: usize,
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.sink.ended(self.index, CLIENT_WENT_AWAY, false);
    }
}

async fn answer(
    sink: Sink,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let arrived = now();
    let delivery = match delivery(&request, arrived) {
        Ok(delivery) => delivery,
        Err(what) => {
            sink.state()
                .malformed
                .push(format!("{} {}: {what}", request.method(), request.uri()));
            return Ok(response(400, Target::default()));
        }
    };
    let target = target(request.uri().query().unwrap_or_default());
    let index = sink.arrived(delivery.clone());
    let departure = Departure {
        sink: sink.clone(),
        index,
    };
    let (status, effect) = respond(&sink, &delivery, target).await;
    sink.ended(index, status, effect);
    // After the end of the delivery: this drop changes nothing then.
    drop(departure);
    if target.kill && delivery.attempt == 1 && status == 200 {
        // The harness takes longer to kill than the answer takes to leave, as F3 wants.
        let _ = sink.shared.killer.send(delivery.node);
    }
    Ok(response(status, target))
}

/// Waits by the target's setting; returns the answer, and whether it took effect.
async fn respond(sink: &Sink, delivery: &Delivery, target: Target) -> (u16, bool) {
    if target.poison {
        let _ = sink.shared.killer.send(delivery.node);
        return std::future::pending().await;
    }
    if target.fenced
        && let Some(refusal) = sink.refusal(delivery)
    {
        return (refusal, false);
    }
    if target.hang {
        return std::future::pending().await;
    }
    let delay = if delivery.attempt > 1 {
        target.delay_later.unwrap_or(target.delay)
    } else {
        target.delay
    };
    tokio::time::sleep(Duration::from_millis(delay.into())).await;
    if u32::try_from(delivery.attempt).is_ok_and(|attempt| attempt <= target.fail) {
        return (500, false);
    }
    if target.fenced {
        // A later attempt may have arrived during the wait.
        if let Some(refusal) = sink.refusal(delivery) {
            return (refusal, false);
        }
        sink.succeeded(delivery);
    }
    (200, true)
}

/// Repeated in bodies that are no text.
const ODD: &[u8] = b"\0\xff\xc3\x28\x1b[2J\xed\xa0\x80\r\n";

fn response(status: u16, target: Target) -> Response<Full<Bytes>> {
    let pattern = if target.odd { ODD } else { b"x" };
    let body: Vec<u8> = pattern
        .iter()
        .copied()
        .cycle()
        .take(usize::try_from(target.body).unwrap_or(0))
        .collect();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn delivery(request: &Request<Incoming>, arrived: Micros) -> Result<Delivery, String> {
    let execution = id(request, "idempotency-key")?;
    // Receivers may rely on either header.
    if execution != id(request, "horolog-execution-id")? {
        return Err("the idempotency key is not the execution's id".to_owned());
    }
    Ok(Delivery {
        job: id(request, "horolog-job-id")?,
        execution,
        fire_time: time(request, "horolog-fire-time")?,
        due_time: time(request, "horolog-due-time")?,
        attempt: header(request, "horolog-attempt")?
            .parse()
            .map_err(|_| "horolog-attempt is no number".to_owned())?,
        node: id(request, "horolog-node-id")?,
        kind: header(request, "horolog-kind")?.to_owned(),
        arrived,
        ended: None,
        status: None,
        effect: false,
    })
}

fn header<'a>(request: &'a Request<Incoming>, name: &str) -> Result<&'a str, String> {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .ok_or(format!("there is no {name}"))
}

fn id(request: &Request<Incoming>, name: &str) -> Result<Uuid, String> {
    header(request, name)?
        .parse()
        .map_err(|_| format!("{name} is no UUID"))
}

fn time(request: &Request<Incoming>, name: &str) -> Result<Micros, String> {
    let time = chrono::DateTime::parse_from_rfc3339(header(request, name)?)
        .map_err(|_| format!("{name} is no instant"))?;
    Ok(time.timestamp_micros())
}

/// The URL of a target behind `base`, e.g. `http://127.0.0.1:1234`.
pub fn url(base: &str, target: &Target) -> String {
    let mut query = Vec::new();
    for (name, number) in [
        ("delay", target.delay),
        ("fail", target.fail),
        ("body", target.body),
    ] {
        if number > 0 {
            query.push(format!("{name}={number}"));
        }
    }
    query.extend(
        target
            .delay_later
            .map(|delay| format!("delay_later={delay}")),
    );
    for (name, set) in [
        ("hang", target.hang),
        ("fenced", target.fenced),
        ("kill", target.kill),
        ("poison", target.poison),
        ("odd", target.odd),
    ] {
        if set {
            query.push(format!("{name}=1"));
        }
    }
    format!("{base}/job?{}", query.join("&"))
}

fn target(query: &str) -> Target {
    let mut target = Target::default();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let number: u32 = value.parse().unwrap_or(0);
        match name {
            "delay" => target.delay = number,
            "delay_later" => target.delay_later = Some(number),
            "fail" => target.fail = number,
            "body" => target.body = number,
            "hang" => target.hang = number > 0,
            "fenced" => target.fenced = number > 0,
            "kill" => target.kill = number > 0,
            "poison" => target.poison = number > 0,
            "odd" => target.odd = number > 0,
            _ => {}
        }
    }
    target
}

#[cfg(test)]
mod tests;

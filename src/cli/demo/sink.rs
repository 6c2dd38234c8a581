//! The endpoint that the sample jobs call: counts deliveries by execution.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// The deliveries. Clones share them.
#[derive(Clone)]
pub struct Sink {
    port: u16,
    deliveries: Arc<Mutex<Deliveries>>,
}

#[derive(Default)]
struct Deliveries {
    total: usize,
    by_node: BTreeMap<String, usize>,
    /// Attempts of each execution that arrived.
    attempts: HashMap<String, Vec<String>>,
    /// Attempts that arrived twice: must be 0.
    doubled: usize,
}

#[derive(serde::Deserialize)]
struct Slowness {
    seconds: Option<u64>,
}

impl Sink {
    /// Listens on a free port.
    pub fn start() -> Result<Self, std::io::Error> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let sink = Self {
            port: listener.local_addr()?.port(),
            deliveries: Arc::default(),
        };
        let shared = sink.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(shared.clone()))
                .default_service(web::to(deliver))
        });
        // The demo handles Ctrl-C: the nodes still deliver while they drain.
        let server = server.workers(1).disable_signals();
        actix::spawn(server.listen(listener)?.run());
        Ok(sink)
    }

    /// Address of the endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// One line about all deliveries.
    pub fn summary(&self) -> String {
        let deliveries = self.deliveries();
        let again = deliveries
            .attempts
            .values()
            .filter(|attempts| attempts.len() > 1)
            .count();
        let nodes: Vec<String> = deliveries
            .by_node
            .iter()
            .map(|(node, count)| format!("{}… {count}", &node[..node.len().min(8)]))
            .collect();
        format!(
            "{} deliveries of {} executions ({again} run again after a death, {} doubled), by \
             node: {}",
            deliveries.total,
            deliveries.attempts.len(),
            deliveries.doubled,
            nodes.join(", ")
        )
    }

    fn record(&self, request: &HttpRequest) {
        let mut deliveries = self.deliveries();
        deliveries.total += 1;
        *deliveries
            .by_node
            .entry(header(request, "horolog-node-id"))
            .or_default() += 1;
        let attempt = header(request, "horolog-attempt");
        let attempts = deliveries
            .attempts
            .entry(header(request, "horolog-execution-id"))
            .or_default();
        let doubled = attempts.contains(&attempt);
        attempts.push(attempt);
        deliveries.doubled += usize::from(doubled);
    }

    fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        self.deliveries.lock()
    }
}

async fn deliver(
    request: HttpRequest,
    sink: web::Data<Sink>,
    slowness: web::Query<Slowness>,
) -> HttpResponse {
    sink.record(&request);
    // Any program of the machine can call the sink: no answer waits for ever.
    tokio::time::sleep(Duration::from_secs(slowness.seconds.unwrap_or(0).min(60))).await;
    HttpResponse::Ok().body("thank you")
}

/// The value of a header; empty if the request has none.
fn header(request: &HttpRequest, name: &str) -> String {
    let value = request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

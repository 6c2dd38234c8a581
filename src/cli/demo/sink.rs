//! The endpoint that the sample jobs call: counts deliveries by execution.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What arrived; clones share it.
#[derive(Clone)]
pub struct Sink {
    port: u16,
    deliveries: Arc<Mutex<Deliveries>>,
}

#[derive(Default)]
struct Deliveries {
    total: usize,
    by_node: BTreeMap<String, usize>,
    /// Attempts seen of each execution.
    attempts: HashMap<String, Vec<String>>,
    /// The same attempt twice: must never happen.
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
        let app = move || {
            App::new()
                .app_data(web::Data::new(shared.clone()))
                .default_service(web::to(deliver))
        };
        actix::spawn(
            HttpServer::new(app)
                .workers(1)
                .disable_signals()
                .listen(listener)?
                .run(),
        );
        Ok(sink)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// One line about all that arrived.
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
            "{} deliveries of {} executions ({again} run again after a death, {} doubled), by node: {}",
            deliveries.total,
            deliveries.attempts.len(),
            deliveries.doubled,
            nodes.join(", ")
        )
    }

    fn record(&self, request: &HttpRequest) {
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let mut deliveries = self.deliveries();
        deliveries.total += 1;
        *deliveries
            .by_node
            .entry(header("horolog-node-id"))
            .or_default() += 1;
        let attempt = header("horolog-attempt");
        let attempts = deliveries
            .attempts
            .entry(header("horolog-execution-id"))
            .or_default();
        let doubled = attempts.contains(&attempt);
        attempts.push(attempt);
        deliveries.doubled += usize::from(doubled);
    }

    fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        self.deliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

async fn deliver(
    request: HttpRequest,
    sink: web::Data<Sink>,
    slowness: web::Query<Slowness>,
) -> HttpResponse {
    sink.record(&request);
    tokio::time::sleep(Duration::from_secs(slowness.seconds.unwrap_or(0).min(60))).await;
    HttpResponse::Ok().body("thank you")
}

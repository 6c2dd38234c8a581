//! A real HTTP target that records every delivery before its answer.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::watch;

/// One request, on arrival.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub path: String,
    pub execution_id: String,
    pub fire_time: String,
    pub attempt: u32,
    pub node_id: String,
    pub traceparent: String,
    pub arrived: Instant,
    pub body: String,
}

/// The target; clones share it.
#[derive(Clone)]
pub struct Deliveries {
    pub url: String,
    all: Arc<Mutex<Vec<Delivery>>>,
    /// While true, requests to `/hold` are not answered.
    held: watch::Sender<bool>,
}

impl Deliveries {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let deliveries = Self {
            url,
            all: Arc::default(),
            held: watch::Sender::new(true),
        };
        let shared = deliveries.clone();
        let app = move || {
            App::new()
                .app_data(web::Data::new(shared.clone()))
                .default_service(web::to(deliver))
        };
        actix::spawn(
            HttpServer::new(app)
                .workers(1)
                .disable_signals()
                .listen(listener)
                .unwrap()
                .run(),
        );
        deliveries
    }

    pub fn to(&self, path: &str) -> Vec<Delivery> {
        self.all
            .lock()
            .unwrap()
            .iter()
            .filter(|delivery| delivery.path == path)
            .cloned()
            .collect()
    }

    pub fn all(&self) -> Vec<Delivery> {
        self.all.lock().unwrap().clone()
    }

    /// Answers what is held, and everything from now on.
    pub fn release(&self) {
        self.held.send_replace(false);
    }
}

async fn deliver(
    request: HttpRequest,
    deliveries: web::Data<Deliveries>,
    body: String,
) -> HttpResponse {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let delivery = Delivery {
        path: request.path().to_owned(),
        execution_id: header("horolog-execution-id"),
        fire_time: header("horolog-fire-time"),
        attempt: header("horolog-attempt").parse().unwrap(),
        node_id: header("horolog-node-id"),
        traceparent: header("traceparent"),
        arrived: Instant::now(),
        body,
    };
    deliveries.all.lock().unwrap().push(delivery);
    if request.path() == "/hold" {
        let mut held = deliveries.held.subscribe();
        held.wait_for(|held| !held).await.unwrap();
    }
    HttpResponse::Ok().body("done")
}

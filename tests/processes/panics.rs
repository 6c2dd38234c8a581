//! An actor that panics ends the process.

use crate::http_client::http_client;
use crate::support::{TestDatabase, eventually};
use actix::{Handler, Message};
use clap::Parser;
use horolog::actors::cluster_membership::ClusterMembership;
use horolog::actors::executor_pool::ExecutorPool;
use horolog::actors::job_manager::JobManager;
use horolog::actors::reconciler::Reconciler;
use horolog::actors::trigger_acquirer::TriggerAcquirer;
use horolog::config::ServeConfig;
use horolog::server::{Exit, Node};
use std::time::Duration;

/// A message that no actor survives.
#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

macro_rules! handles_panic {
    ($($actor:ty),*) => {$(
        impl Handler<Panic> for $actor {
            type Result = ();

            fn handle(&mut self, _: Panic, _: &mut Self::Context) {
                panic!("an actor panics");
            }
        }
    )*};
}

handles_panic!(
    ClusterMembership,
    TriggerAcquirer,
    ExecutorPool,
    Reconciler,
    JobManager
);

/// Variables that turn the test below into the watched process: the actor, and the database.
const DETONATE: [&str; 2] = ["TEST_DETONATE", "TEST_DETONATE_ON"];

#[test]
fn a_panicking_actor_ends_the_process_with_70() {
    if let [Ok(actor), Ok(database_url)] = DETONATE.map(std::env::var) {
        inject_panic(&actor, &database_url);
    }
    let system = actix::System::new();
    system.block_on(async {
        for actor in ["membership", "acquirer", "pool", "reconciler", "jobs"] {
            let database = TestDatabase::new().await;
            let this_test = "processes::panics::a_panicking_actor_ends_the_process_with_70";
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", this_test, "--nocapture"])
                .envs(DETONATE.into_iter().zip([actor, database.url()]))
                .output()
                .unwrap();
            assert_eq!(
                output.status.code(),
                Some(70),
                "{actor}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            let joined = "select count(*) from cluster_node where state = 'ACTIVE'";
            let joined = database
                .client()
                .await
                .query_one(joined, &[])
                .await
                .unwrap();
            assert_eq!(
                joined.get::<_, i64>(0),
                1,
                "{actor}: it had joined, and died without a goodbye"
            );
        }
    });
}

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    serve: ServeConfig,
}

/// The steps of `horolog serve`, with an actor that panics.
fn inject_panic(actor: &str, database_url: &str) -> ! {
    let system = actix::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
    });
    let exit = system.block_on(async {
        let config = Settings::try_parse_from(["horolog", "--listen", "127.0.0.1:0"])
            .unwrap()
            .serve;
        let node = Node::start(&config, database_url).await.unwrap();
        let (http, ready) = (http_client(), format!("http://{}/readyz", node.address));
        eventually("the node leases", async || {
            http.get(&ready)
                .send()
                .await
                .ok()?
                .status()
                .is_success()
                .then_some(())
        })
        .await;
        let answer = match actor {
            "membership" => node.actors.membership.send(Panic).await,
            "acquirer" => node.actors.acquirer.send(Panic).await,
            "pool" => node.actors.pool.send(Panic).await,
            "reconciler" => node.actors.reconciler.send(Panic).await,
            _ => node.actors.jobs.send(Panic).await,
        };
        assert!(answer.is_err(), "nobody answers after a panic");
        let end = node.run_until(std::future::pending(), std::future::pending());
        tokio::time::timeout(Duration::from_secs(30), end)
            .await
            .expect("the node gives itself up")
    });
    std::process::exit(match exit {
        Exit::Clean => 0,
        Exit::Failed => 70,
    })
}

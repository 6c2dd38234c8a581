//! The composition root: the start and the stop of a node.
//!
//! Start: bind the port, wait for the database and migrate, join, lease. Stop: announce it, take
//! nothing new, finish running executions, hand over the rest, leave.
//!
//! Firing and the API share no pool and no thread: leases, settlements and the reconciler have the
//! runtime and `FIRING_CONNECTIONS`, the heartbeat a thread and a connection, requests the HTTP
//! workers, two threads of `threads` and `--pool-size` connections. The heartbeat stops last; only
//! HTTP answers continue after it, so load balancers notice the stop.

mod hints;
mod identity;
mod openid;
mod preparation;
mod runs;
mod start_rule;

use self::hints::Hints;
use self::identity::{advertised, api_settings, egress, node_name, profile, tls};
use self::preparation::prepare_when_possible;
use self::runs::Runs;
use self::start_rule::StartRule;
use crate::access::Authenticator;
use crate::access::openid::OpenIdSetUpError;
use crate::actors::cluster_membership::{BeginDrain, ClusterMembership, Leave, MembershipConfig};
use crate::actors::executor_pool::{Drain, ExecutorPool, PoolConfig};
use crate::actors::job_manager::JobManager;
use crate::actors::periodic::{Passes, WakeUp};
use crate::actors::reconciler::{Reconciler, ReconcilerConfig};
use crate::actors::slots::Slots;
use crate::actors::trigger_acquirer::{AcquirerConfig, TriggerAcquirer};
use crate::actors::watchdog::Watchdog;
use crate::clock::Clock;
use crate::config::ServeConfig;
use crate::descriptors::Descriptors;
use crate::handlers::SetUpError;
use crate::http::certificate::CertificateError;
use crate::http::{self, Gateway, Hosts, NodeView, ServerSettings};
use crate::model::node::MembershipState;
use crate::secrets::KeyFileError;
use crate::store::author::Author;
use crate::store::db::database::{BadDatabaseUrl, Database};
use crate::store::db::listener;
use crate::store::db::listener::{MEMBERSHIP_CHANNEL, WAKE_UP_CHANNEL};
use crate::store::db::migrate::MigrateError;
use crate::store::protocol::lease_store::LeaseStore;
use crate::store::{Store, StoreError};
use crate::{telemetry, threads};
use actix::prelude::*;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Interval of the rows about the activity of a node. Each row covers one interval.
const ACTIVITY_INTERVAL: Duration = Duration::from_secs(10);

/// Pooled connections of firing: the acquirer, the settler, cancellations, the reconciler and a
/// drain use one at a time.
const FIRING_CONNECTIONS: usize = 5;

/// Connections of the calls of workers. Nothing connects before a worker calls.
const WORKER_CONNECTIONS: usize = 4;

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or the address belongs to another machine.
    #[error("cannot listen on {address} (--listen)")]
    Listen {
        /// The address of `--listen`.
        address: SocketAddr,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The URL of the database cannot be used.
    #[error(transparent)]
    DatabaseUrl(#[from] BadDatabaseUrl),
    /// The schema cannot be migrated, and a wait would not help.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The node would serve anonymous callers beyond loopback.
    #[error(
        "{address} is not loopback, and the cluster has no user: create the first one (`horolog \
         user create NAME --admin`), or start with --set-up-link, or with --insecure-no-auth"
    )]
    Open {
        /// The address of `--listen`.
        address: SocketAddr,
    },
    /// The database failed after the migration.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The certificate of the node cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
    /// The keys of secrets cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The settings of the OpenID provider cannot be used.
    #[error(transparent)]
    OpenId(#[from] OpenIdSetUpError),
    /// The HTTP client cannot be created.
    #[error(transparent)]
    Handlers(#[from] SetUpError),
}

/// How a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was stopped, and all its executions are settled or handed over.
    Clean,
    /// A critical actor died: other nodes take over.
    Failed,
}

pub struct Node {
    /// The address that it listens on; with port 0 in the settings, the real port.
    pub address: SocketAddr,
    /// The actors, for tests that send them messages.
    pub actors: Actors,
    http: actix_web::dev::ServerHandle,
    membership_state: watch::Receiver<MembershipState>,
    watchdog: Watchdog,
    ttl: Duration,
    drain_timeout: Duration,
    drain_delay: Duration,
}

/// The five actors of a node.
pub struct Actors {
    /// Renews the membership of the node.
    pub membership: Addr<ClusterMembership>,
    pub acquirer: Addr<TriggerAcquirer>,
    /// Runs and settles attempts.
    pub pool: Addr<ExecutorPool>,
    /// Takes over from dead nodes, and repairs broken states.
    pub reconciler: Addr<Reconciler>,
    /// Executes the commands of the API.
    pub jobs: Addr<JobManager>,
}

/// What answers requests.
struct Entrances {
    jobs: Addr<JobManager>,
    http: actix_web::dev::ServerHandle,
    gateway: Gateway,
}

/// The parts that the actors of a node share.
struct NodeComponents {
    database: Database,
    store: Store,
    slots: Slots,
    membership_state: watch::Sender<MembershipState>,
    watchdog: Watchdog,
    wake_up: WakeUp,
    /// Wakes the pool, which then reads cancellations.
    cancel: WakeUp,
}

impl Node {
    /// Starts a node on `database_url`. Waits for the database without a time limit; the drop of
    /// the future cancels the start.
    pub async fn start(config: &ServeConfig, database_url: &str) -> Result<Self, StartError> {
        telemetry::metrics();
        let listen_error = |source| StartError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let tls = tls(config)?;
        let components = NodeComponents::new(config, database_url)?;
        let egress = egress(config, address, &components.database);
        egress.warn();
        let runs = Runs::new(config, egress, &components.store, &components.database)?;
        let runtime = threads::requests_runtime().await;
        let requests = components.requests_store(config.pool_size, runtime.clone());
        let gateway = components.gateway(runtime);
        let provider = openid::provider(&config.openid, &requests)?;
        let jobs = components.start_jobs(requests.clone());
        let authenticator = Arc::new(Authenticator::new(requests.clone()));
        let view = components.view(config, requests.clone());
        let settings = api_settings(config, runs.keys.clone());
        let schema = crate::api::schema(requests, jobs.clone(), settings);
        let rule = StartRule::of(config, address);
        // Callers with roles in namespaces have connections of their own.
        let pools = 2 * config.pool_size + WORKER_CONNECTIONS;
        let descriptors = Descriptors::of(config.slots, pools);
        descriptors.warn();
        let settings = ServerSettings {
            hosts: Hosts::new(&advertised(config, address), &config.allow_host),
            authentication: rule.authentication(config, authenticator.clone()),
            provider,
            connections_max: descriptors.connections,
            tls,
            gateway: gateway.clone(),
        };
        let server = http::serve(listener, schema, view, settings).map_err(listen_error)?;
        let http = server.handle();
        actix::spawn(server);
        prepare_when_possible(&components.database, &components.store).await?;
        rule.apply(config, address, &authenticator).await?;
        runs.warn_of_missing_keys(&components.store).await?;
        let entrances = Entrances {
            jobs,
            http,
            gateway,
        };
        Ok(components.start(config, address, runs, entrances))
    }

    /// Runs until `stop` resolves or a critical actor dies.
    pub async fn run_until(
        self,
        stop: impl Future<Output = ()>,
        force_stop: impl Future<Output = ()>,
    ) -> Exit {
        tokio::select! {
            () = stop => {}
            reason = self.watchdog.failed() => {
                tracing::error!(reason, "this node gives itself up: the others take over what \
                     it holds");
                return Exit::Failed;
            }
        }
        self.stop(force_stop).await;
        Exit::Clean
    }

    /// The membership state of the node, as it changes.
    pub fn membership_state(&self) -> watch::Receiver<MembershipState> {
        self.membership_state.clone()
    }

    /// The watchdog of the critical actors.
    pub fn watchdog(&self) -> Watchdog {
        self.watchdog.clone()
    }

    /// Largest age of the heartbeat.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    async fn stop(self, force_stop: impl Future<Output = ()>) {
        tokio::pin!(force_stop);
        let noticed = tokio::time::sleep(self.drain_delay);
        tracing::info!(timeout = ?self.drain_timeout, "draining: nothing new is taken");
        if self.actors.membership.send(BeginDrain).await.is_err() {
            tracing::warn!("membership has died: nothing can be leased any more");
        }
        let (drained, hurried) = tokio::select! {
            drained = self.actors.pool.send(Drain(self.drain_timeout)) => (drained.unwrap_or(false), false),
            () = &mut force_stop => (false, true),
        };
        if !drained {
            tracing::warn!("not everything has finished: the rest is handed over");
        }
        match self.actors.membership.send(Leave).await {
            Ok(Ok(taken)) => tracing::info!(
                rerun = taken.rerun.len(),
                ended = taken.ended.len(),
                "left the cluster"
            ),
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not say goodbye: the others will notice"
                );
            }
            Err(_) => tracing::warn!("membership had died: the others will notice"),
        }
        if !hurried {
            tokio::select! {
                () = noticed => {}
                () = &mut force_stop => {}
            }
        }
        self.http.stop(true).await;
    }
}

impl NodeComponents {
    fn new(config: &ServeConfig, database_url: &str) -> Result<Self, StartError> {
        let database = Database::parse(database_url, config.call_timeout())?;
        let store = Store::new(
            &database,
            FIRING_CONNECTIONS,
            config.call_timeout(),
            Clock::Database,
        )
        .by(Author::node(&node_name(config)));
        let wake_up = WakeUp::default();
        let slots = Slots::new(config.slots, wake_up.clone(), store.shares());
        let membership_state = watch::Sender::new(MembershipState::Fenced);
        Ok(Self {
            database,
            store,
            slots,
            membership_state,
            watchdog: Watchdog::default(),
            wake_up,
            cancel: WakeUp::default(),
        })
    }

    /// The store of the API: a thread of the API drives its connections.
    fn requests_store(&self, connections: usize, runtime: Handle) -> Store {
        self.store
            .for_requests(&self.database, connections, runtime)
    }

    /// The same thread drives the connections of the workers.
    fn gateway(&self, runtime: Handle) -> Gateway {
        let store = self
            .store
            .for_workers(&self.database, WORKER_CONNECTIONS, runtime);
        Gateway::new(store)
    }

    /// On a thread of the API: the checks of a command may be expensive.
    fn start_jobs(&self, store: Store) -> Addr<JobManager> {
        let watchdog = self.watchdog.clone();
        let thread = threads::requests_thread();
        JobManager::start_in_arbiter(&thread.handle(), move |_| JobManager::new(store, &watchdog))
    }

    fn view(&self, config: &ServeConfig, store: Store) -> NodeView {
        NodeView {
            store,
            membership_state: self.membership_state.subscribe(),
            watchdog: self.watchdog.clone(),
            executions_held: self.slots.held_count(),
            slots: config.slots,
            introspection: config.introspection,
            base_path: config.base_path.clone(),
            node_ttl: config.node_ttl,
        }
    }

    #[expect(
        clippy::too_many_lines,
        reason = "starts each component once, in order"
    )]
    fn start(
        self,
        config: &ServeConfig,
        address: SocketAddr,
        runs: Runs,
        entrances: Entrances,
    ) -> Node {
        let Self {
            database,
            store,
            slots,
            membership_state,
            watchdog,
            wake_up,
            cancel,
        } = &self;
        let pool = PoolConfig {
            store: store.clone(),
            handlers: runs.handlers,
            secrets: runs.secrets,
            slots: slots.clone(),
            membership_state: membership_state.subscribe(),
            wake_up: cancel.clone(),
            watchdog: watchdog.clone(),
        };
        let pool = ExecutorPool::new(pool, Passes::Periodic).start();
        let acquirer = AcquirerConfig {
            leases: LeaseStore::new(store.clone()),
            pool: pool.clone(),
            slots: slots.clone(),
            membership_state: membership_state.subscribe(),
            wake_up: wake_up.clone(),
            watchdog: watchdog.clone(),
            poll_interval: config.poll_interval,
            audit_interval: config.repair_interval,
        };
        let acquirer = TriggerAcquirer::new(acquirer, Passes::Periodic).start();
        let changed = WakeUp::default();
        let reconciler = ReconcilerConfig {
            database: database.clone(),
            store: store.clone(),
            membership_state: membership_state.subscribe(),
            wake_up: changed.clone(),
            watchdog: watchdog.clone(),
            node_ttl: config.node_ttl,
            death_check_interval: config.heartbeat_interval,
            repair_interval: config.repair_interval,
            activity_interval: ACTIVITY_INTERVAL,
            log_retention: config.log_retention,
            audit_retention: config.audit_retention,
        };
        let reconciler = Reconciler::new(reconciler, Passes::Periodic).start();
        let membership = self.start_membership(config, address);
        let actors = Actors {
            membership,
            acquirer,
            pool,
            reconciler,
            jobs: entrances.jobs,
        };
        #[cfg(feature = "fault-injection")]
        listen_for_panics(&actors);
        let hints = Hints {
            due: wake_up.clone(),
            cancellation: cancel.clone(),
            membership: changed,
            workers: entrances.gateway,
        };
        actix::spawn(telemetry::sum_up());
        actix::spawn(listener::listen(
            database.clone(),
            &[WAKE_UP_CHANNEL, MEMBERSHIP_CHANNEL],
            move |channel| hints.route(channel),
        ));
        Node {
            address,
            actors,
            http: entrances.http,
            membership_state: membership_state.subscribe(),
            watchdog: watchdog.clone(),
            ttl: config.node_ttl,
            drain_timeout: config.drain_timeout,
            drain_delay: config.drain_delay,
        }
    }

    /// On a separate thread, so no busy actor delays a heartbeat.
    fn start_membership(
        &self,
        config: &ServeConfig,
        address: SocketAddr,
    ) -> Addr<ClusterMembership> {
        let membership = MembershipConfig {
            database: self.database.clone(),
            store: self.store.clone(),
            clock: Clock::Database,
            profile: profile(config, address),
            membership_state: self.membership_state.clone(),
            heartbeat_interval: config.heartbeat_interval,
            node_ttl: config.node_ttl,
            call_timeout: config.call_timeout(),
            slots: self.slots.clone(),
            watchdog: self.watchdog.clone(),
        };
        ClusterMembership::start_in_arbiter(&Arbiter::new().handle(), move |_| {
            ClusterMembership::new(membership, Passes::Periodic)
        })
    }
}

/// Lets a drill kill each critical actor.
#[cfg(feature = "fault-injection")]
fn listen_for_panics(actors: &Actors) {
    let (pool, acquirer) = (actors.pool.clone(), actors.acquirer.clone());
    let (reconciler, membership) = (actors.reconciler.clone(), actors.membership.clone());
    if let Err(error) = (crate::actors::panic_injector::PanicInjector {
        pool,
        acquirer,
        reconciler,
        membership,
    })
    .listen()
    {
        tracing::error!(%error, "no actor can be killed by a signal");
    }
}

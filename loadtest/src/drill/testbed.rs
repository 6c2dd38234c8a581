//! The testbed of a drill: servers, nodes, sink and operator, and the records.

use super::disk_watch::DiskWatch;
use super::fault_spec::NodeChoice;
use super::file::{Database, Drill};
use super::records::Records;
use super::small_disk::SmallDisk;
use crate::history::{History, Scope};
use crate::job::SECOND;
use crate::micros::Micros;
use crate::testbed::database::{self, Auditor};
use crate::testbed::http::Http;
use crate::testbed::network::{self, Bridge};
use crate::testbed::node::{NodeSettings, Slot};
use crate::testbed::operator::Operator;
use crate::testbed::patroni::{self, Patroni};
use crate::testbed::postgres::Postgres;
use crate::testbed::proxy::Proxy;
use crate::testbed::sink::Sink;
use crate::testbed::{clock, now};
use anyhow::{Context, ensure};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, mpsc};
use uuid::Uuid;

/// How long a fault waits for a node that no other fault has.
const NODE_WAIT: Duration = Duration::from_secs(15);

/// Repairs come more often than by default, so that an end within minutes shows their effect.
const REPAIR_INTERVAL: &str = "--repair-interval";

/// The servers of a drill: the first takes writes.
pub struct Servers {
    /// The manager of the servers, if any. Dropped first, or the servers would start again.
    pub patroni: Option<Patroni>,
    /// The server that takes writes.
    pub primary: Postgres,
    /// The standby, or the former primary.
    pub other: Option<Postgres>,
}

/// A place for a node that can be held by one fault at a time.
pub type SharedSlot = Arc<tokio::sync::Mutex<Slot>>;

/// Servers, nodes, target and records of a drill.
pub struct DrillTestbed {
    /// The parameters of the drill.
    pub drill: Drill,
    /// Where history and logs go.
    pub directory: PathBuf,
    /// The servers; locked by a fault of the servers.
    pub servers: tokio::sync::RwLock<Servers>,
    /// The places of nodes.
    pub slots: Mutex<Vec<SharedSlot>>,
    /// The target of all jobs.
    pub sink: Sink,
    /// The wire to the sink, if the wire can be cut.
    pub sink_wire: Option<Proxy>,
    /// The user of the API.
    pub operator: Operator,
    /// For looks at nodes.
    pub http: Http,
    /// Names of lives by node id, as far as known.
    names: Mutex<HashMap<Uuid, String>>,
    /// Faults and measurements of the drill.
    pub records: Records,
    /// Finds stuck states; locked during an audit.
    pub auditor: tokio::sync::Mutex<Auditor>,
    settings: NodeSettings,
    began: Micros,
    disk_watch: DiskWatch,
    // Removed after the slots, whose nodes live on it.
    bridge: Option<Bridge>,
    _disk: Option<SmallDisk>,
}

impl DrillTestbed {
    /// Sets everything up but starts no node. `killer` gets the ids of nodes whose death a target
    /// requests.
    pub async fn set_up(
        drill: Drill,
        program: &Path,
        disabled_safeguard: Option<String>,
        directory: &Path,
        killer: mpsc::UnboundedSender<Uuid>,
    ) -> Result<Self, anyhow::Error> {
        let bridge = if drill.namespaces {
            Some(Bridge::create().await?)
        } else {
            None
        };
        let ip = bridge
            .as_ref()
            .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), Bridge::ip);
        let disk = if drill.database == Database::SmallDisk {
            Some(SmallDisk::mount(directory)?)
        } else {
            None
        };
        let servers = start_servers(&drill, directory, ip, disk.as_ref()).await?;
        servers.primary.migrate(program).await?;
        let sink = Sink::start(&ip.to_string(), &directory.join("sink.jsonl"), killer).await?;
        let sink_wire = if drill.namespaces {
            None
        } else {
            Some(Proxy::to(sink.address).await?)
        };
        let target = sink_wire.as_ref().map_or(sink.address, |wire| wire.address);
        let http = Http::default();
        let operator = Operator::new(
            http.clone(),
            format!("http://{target}"),
            &directory.join("control.jsonl"),
        )?;
        let settings = NodeSettings {
            program: program.to_owned(),
            flags: flags(&drill),
            disabled_safeguard,
            directory: directory.to_owned(),
        };
        let testbed = Self {
            directory: directory.to_owned(),
            servers: tokio::sync::RwLock::new(servers),
            slots: Mutex::default(),
            sink,
            sink_wire,
            operator,
            http,
            names: Mutex::default(),
            records: Records::create(&directory.join("faults.jsonl"))?,
            auditor: tokio::sync::Mutex::default(),
            settings,
            began: now(),
            disk_watch: DiskWatch::begin(directory)?,
            bridge,
            _disk: disk,
            drill,
        };
        if testbed.drill.database == Database::SynchronousStandby {
            testbed.wait_for_the_standby().await?;
        }
        for _ in 0..testbed.drill.nodes {
            testbed.add_slot().await?;
        }
        Ok(testbed)
    }

    /// The first requirement of the drill that this machine lacks.
    pub async fn missing(drill: &Drill) -> Option<&'static str> {
        if drill.namespaces
            && let Some(missing) = network::missing().await
        {
            return Some(missing);
        }
        if (drill.clocks || drill.database_clock || drill.wall_clock.is_some())
            && clock::library().is_none()
        {
            return Some("libfaketime is not installed (Debian: apt-get install libfaketime)");
        }
        if drill.database == Database::Patroni
            && let Some(missing) = patroni::missing()
        {
            return Some(missing);
        }
        let root = rustix::process::geteuid().is_root();
        (drill.database == Database::SmallDisk && !root)
            .then_some("a small disk is mounted by root alone")
    }

    /// Lets every commit wait for the standby.
    pub async fn wait_for_the_standby(&self) -> Result<(), anyhow::Error> {
        let servers = self.servers.read().await;
        let sql = servers.primary.sql().await?;
        sql.batch_execute("alter system set synchronous_standby_names = '*'")
            .await?;
        sql.batch_execute("select pg_reload_conf()").await?;
        let synchronous = "select from pg_stat_replication where sync_state = 'sync'";
        for _ in 0..200 {
            if sql.query_opt(synchronous, &[]).await?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("the standby does not follow")
    }

    /// A new place for a node.
    pub async fn add_slot(&self) -> Result<SharedSlot, anyhow::Error> {
        let number = self.slots().len() + 1;
        let servers = self.servers.read().await;
        // Wires to both servers: after a failover the node must reach the new primary.
        let both: Vec<&Postgres> = std::iter::once(&servers.primary)
            .chain(servers.other.as_ref())
            .collect();
        let mut slot = Slot::new(number, self.settings.clone(), &both).await?;
        if let Some(bridge) = &self.bridge {
            slot.move_to(bridge.namespace(number).await?, &both)?;
        }
        if self.drill.clocks {
            slot.fake_clock(self.drill.suspends())?;
        }
        let slot = Arc::new(tokio::sync::Mutex::new(slot));
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(slot.clone());
        Ok(slot)
    }

    /// The places of nodes.
    pub fn slots(&self) -> Vec<SharedSlot> {
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Starts all nodes, and waits until all lease; then the database records transitions.
    pub async fn open(&self) -> Result<(), anyhow::Error> {
        self.restart_stopped_nodes().await?;
        let servers = self.servers.read().await;
        database::record_transitions(&servers.primary.sql().await?).await?;
        Ok(())
    }

    /// Starts a life in each empty slot, and waits until it leases. Living nodes stay untouched: a
    /// cluster has to recover without help.
    pub async fn restart_stopped_nodes(&self) -> Result<(), anyhow::Error> {
        let mut started = Vec::new();
        for slot in self.slots() {
            let mut slot = slot.lock_owned().await;
            if !slot.lives() {
                // A process that ended is reaped before its slot is used again.
                if slot.name().is_some() {
                    slot.ended(Duration::from_secs(1)).await?;
                }
                slot.start()?;
                // Awaited later: all nodes join at the same time.
                started.push(slot);
            }
        }
        for mut slot in started {
            slot.ready(&self.http).await?;
        }
        Ok(())
    }

    /// A living node that no other fault has.
    pub async fn pick_node(&self, who: NodeChoice) -> Result<OwnedMutexGuard<Slot>, anyhow::Error> {
        let started = std::time::Instant::now();
        loop {
            let mut free = Vec::new();
            for slot in self.slots() {
                if let Ok(mut slot) = slot.try_lock_owned()
                    && slot.lives()
                {
                    free.push(slot);
                }
            }
            if !free.is_empty() {
                // Index 0 is a random node then, and chance decides among equally busy ones.
                fastrand::shuffle(&mut free);
                let index = if who == NodeChoice::Busiest {
                    self.busiest(&free).await
                } else {
                    0
                };
                return Ok(free.swap_remove(index));
            }
            ensure!(
                started.elapsed() < NODE_WAIT,
                "every node is dead, or in the hands of another fault"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn busiest(&self, free: &[OwnedMutexGuard<Slot>]) -> usize {
        let in_flight = self.sink.in_flight();
        let mut most = (0, 0);
        for (index, slot) in free.iter().enumerate() {
            let mut waiting = 0;
            for (id, count) in &in_flight {
                if self.name_of(*id).await.as_deref() == slot.name() {
                    waiting += count;
                }
            }
            if waiting > most.1 {
                most = (index, waiting);
            }
        }
        most.0
    }

    fn known_name(&self, id: Uuid) -> Option<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(&id).cloned()
    }

    /// The life of a node id.
    pub async fn name_of(&self, id: Uuid) -> Option<String> {
        if let Some(name) = self.known_name(id) {
            return Some(name);
        }
        // `try_read`: a fault may hold the servers for long, and a name is no reason to wait.
        let sql = self.servers.try_read().ok()?.primary.sql().await.ok()?;
        let nodes = database::nodes(&sql).await.ok()?;
        let names = nodes.into_iter().map(|node| (node.id, node.name)).collect();
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
        self.known_name(id)
    }

    /// Address of the API of some living node.
    pub fn any_address(&self) -> Option<SocketAddr> {
        let mut addresses: Vec<SocketAddr> = self
            .slots()
            .iter()
            .filter_map(|slot| {
                slot.try_lock()
                    .ok()
                    .filter(|slot| slot.name().is_some())?
                    .address()
            })
            .collect();
        fastrand::shuffle(&mut addresses);
        addresses.pop()
    }

    /// Runs a command of the program that needs the database alone; returns its output.
    pub async fn horolog(
        &self,
        database: &Postgres,
        command: &str,
    ) -> Result<String, anyhow::Error> {
        let output = tokio::process::Command::new(&self.settings.program)
            .args([
                command,
                "--database-url",
                &database.url(&[database.address]),
            ])
            .output()
            .await?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "horolog {command} ended with {}: {error}",
            output.status
        );
        Ok(String::from_utf8_lossy(&output.stdout)
            .trim()
            .replace('\n', "; "))
    }

    /// The final read: the complete history.
    pub async fn history(&self) -> Result<History, anyhow::Error> {
        let servers = self.servers.read().await;
        let sql = servers.primary.sql().await.context("the final read")?;
        let mut auditor = self.auditor.lock().await;
        auditor.look(&sql, true).await?;
        let mut jobs: HashSet<Uuid> = self.operator.jobs().into_iter().collect();
        let (mut rows, mut transitions) = (
            database::rows(&sql).await?,
            database::transitions(&sql).await?,
        );
        for row in &mut rows {
            row.started_at = row.started_at.map(|at| self.records.corrected(at));
            row.finished_at = row.finished_at.map(|at| self.records.corrected(at));
        }
        for transition in &mut transitions {
            transition.at = self.records.corrected(transition.at);
        }
        let mut deliveries = self.sink.deliveries();
        deliveries.sort_by_key(|delivery| delivery.arrived);
        // Jobs of the harness itself (a backlog) are not checked.
        jobs.extend(deliveries.iter().map(|delivery| delivery.job));
        let foreign = rows.iter().filter(|row| !jobs.contains(&row.job));
        let foreign: HashSet<Uuid> = foreign.map(|row| row.execution).collect();
        // The transitions need the foreign rows first: a transition has no job.
        rows.retain(|row| jobs.contains(&row.job));
        transitions.retain(|transition| !foreign.contains(&transition.execution));
        for (from, until) in self.disk_watch.stalls() {
            // Nodes give up a call after half a TTL: beyond it the database is away.
            let is_long = until - from
                >= i64::try_from(self.drill.ttl_seconds).unwrap_or(i64::MAX) * SECOND / 2;
            self.records.fault(
                "slow-disk",
                if is_long {
                    Scope::Cluster
                } else {
                    Scope::Stalls
                },
                &[],
                from,
                until,
            );
        }
        Ok(History {
            began: self.began,
            ended: now(),
            deliveries,
            calls: self.operator.calls(),
            faults: self.records.faults(),
            rows,
            transitions,
            nodes: database::nodes(&sql).await?,
            stuck: std::mem::take(&mut auditor.stuck),
        })
    }
}

/// Starts the servers of a drill: one, or a primary with its standby.
async fn start_servers(
    drill: &Drill,
    directory: &Path,
    ip: IpAddr,
    disk: Option<&SmallDisk>,
) -> Result<Servers, anyhow::Error> {
    if drill.database == Database::Patroni {
        let (patroni, primary, other) = Patroni::start(directory).await?;
        return Ok(Servers {
            patroni: Some(patroni),
            primary,
            other: Some(other),
        });
    }
    let data = disk.map(|disk| disk.directory.join("data"));
    let mut primary = Postgres::create(&directory.join("postgres-1"), ip, data.as_deref()).await?;
    if drill.database_clock {
        primary.fake_clock().await?;
    }
    if drill.database == Database::Archived {
        primary.archive().await?;
    }
    let other = match drill.database {
        Database::Single | Database::SmallDisk | Database::Archived | Database::Patroni => None,
        Database::SynchronousStandby | Database::AsynchronousStandby => {
            Some(primary.standby(&directory.join("postgres-2")).await?)
        }
    };
    Ok(Servers {
        patroni: None,
        primary,
        other,
    })
}

/// The flags of all nodes of a drill.
fn flags(drill: &Drill) -> Vec<String> {
    let mut flags = vec!["--node-ttl".to_owned(), format!("{}s", drill.ttl_seconds)];
    if !drill.flags.iter().any(|flag| flag == REPAIR_INTERVAL) {
        flags.extend([REPAIR_INTERVAL.to_owned(), "5s".to_owned()]);
    }
    flags.extend(drill.flags.iter().cloned());
    flags
}

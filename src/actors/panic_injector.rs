//! Kills one critical actor at a signal, for drills: a node that is half dead
//! must not look healthy. Only in builds with the feature `fault-injection`.

use super::cluster_membership::ClusterMembership;
use super::executor_pool::ExecutorPool;
use super::reconciler::Reconciler;
use super::trigger_acquirer::TriggerAcquirer;
use actix::prelude::*;
use tokio::signal::unix::{SignalKind, signal};

/// Panics in the receiving actor.
#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

macro_rules! handles_panic {
    ($($actor:ty),*) => {$(
        impl Handler<Panic> for $actor {
            type Result = ();

            fn handle(&mut self, _: Panic, _: &mut Self::Context) {
                panic!("killed by a drill");
            }
        }
    )*};
}
handles_panic!(ClusterMembership, ExecutorPool, Reconciler, TriggerAcquirer);

/// The critical actors of a node.
pub struct PanicInjector {
    /// Actor that dies at SIGUSR1.
    pub pool: Addr<ExecutorPool>,
    /// Actor that dies at SIGUSR2.
    pub acquirer: Addr<TriggerAcquirer>,
    /// Actor that dies at SIGALRM.
    pub reconciler: Addr<Reconciler>,
    /// Actor that dies at SIGIO.
    pub membership: Addr<ClusterMembership>,
}

impl PanicInjector {
    /// Listens until the process ends.
    pub fn listen(self) -> std::io::Result<()> {
        on(SignalKind::user_defined1(), self.pool)?;
        on(SignalKind::user_defined2(), self.acquirer)?;
        on(SignalKind::alarm(), self.reconciler)?;
        on(SignalKind::io(), self.membership)
    }
}

fn on<A: Actor<Context = Context<A>> + Handler<Panic>>(
    kind: SignalKind,
    actor: Addr<A>,
) -> std::io::Result<()> {
    let mut signal = signal(kind)?;
    actix::spawn(async move {
        signal.recv().await;
        // The answer never comes: the actor dies of the message.
        let _ = actor.send(Panic).await;
    });
    Ok(())
}

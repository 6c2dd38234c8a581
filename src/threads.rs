//! Threads of the API, with a lower priority than the threads of firing.

use actix::Arbiter;
use std::panic::resume_unwind;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;

/// Nice value of the threads of the API. If both need the same core, firing gets nine tenths of it.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Gives the calling thread, and the threads that it starts, a lower priority than firing. Linux
/// only: other systems have no priority of a single thread.
pub fn yield_to_firing() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a thread of the API keeps the priority of firing");
    }
}

/// A thread of the API with a separate runtime.
pub fn requests_thread() -> Arbiter {
    Arbiter::with_tokio_rt(|| {
        yield_to_firing();
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("the system gives a poller, or nothing can run")
    })
}

/// The runtime of a thread of the API.
pub async fn requests_runtime() -> Handle {
    let (sender, receiver) = oneshot::channel();
    requests_thread().spawn(async move { drop(sender.send(Handle::current())) });
    receiver
        .await
        .expect("a thread that has started runs what it is given")
}

/// Long computations on threads of their own, with a bound on how many run at once.
pub struct Computations(Semaphore);

impl Computations {
    /// A bound of `most` simultaneous computations.
    pub const fn at_once(most: usize) -> Self {
        Self(Semaphore::const_new(most))
    }

    /// Computes on a separate thread. A computation continues after the caller is gone, and counts
    /// against the bound until the end.
    pub async fn run<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        // Without the bound, sign-ins could start hundreds of threads that hash passwords.
        let turn = self.0.acquire().await.expect("it is never closed");
        let computed = spawn_blocking(move || {
            // The pool of Tokio starts threads as needed, so every computation sets the priority.
            yield_to_firing();
            let computed = work();
            drop(turn);
            computed
        });
        match computed.await {
            Ok(computed) => computed,
            Err(ended) if ended.is_panic() => resume_unwind(ended.into_panic()),
            // The runtime is shutting down, and the process with it.
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, join};
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_computation_keeps_neither_its_thread_nor_more_than_its_place() {
        static ONE: Computations = Computations::at_once(1);
        let (finish, finished) = mpsc::channel();
        let first = tokio::spawn(ONE.run(move || finished.recv()));
        tokio::task::yield_now().await;
        let mut second = Box::pin(ONE.run(|| 2));
        assert!(
            second.as_mut().now_or_never().is_none(),
            "it waits for the first, which runs beside this thread"
        );
        finish.send(1).expect("the first waits for it");
        let (first, second) = join!(first, second);
        assert_eq!((first.expect("it ended"), second), (Ok(1), 2));
    }
}

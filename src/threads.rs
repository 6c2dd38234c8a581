//! Threads of the API, which get the processor after those of firing.

use actix::Arbiter;
use tokio::runtime::Builder;

/// How much nicer than firing: with both in need of a core, firing has nine tenths of it.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Puts the calling thread, and those that it starts, behind the threads of firing. Linux alone has a priority for each
/// thread; elsewhere nothing happens.
pub fn yield_to_firing() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a thread of the API keeps the priority of firing");
    }
}

/// A thread of the API with a runtime of its own.
pub fn requests_thread() -> Arbiter {
    Arbiter::with_tokio_rt(|| {
        yield_to_firing();
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("the system gives a poller, or nothing can run")
    })
}

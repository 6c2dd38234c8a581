//! Bodies of requests: bounded singly and together.
//!
//! The values of a body need many times the size of the text. Large bodies therefore share a
//! budget, and wait for each other before the read; a small body never waits.

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, Payload};
use actix_web::{Error, HttpRequest};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Largest body in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Largest body outside the budget; nearly all bodies are smaller.
const SMALL_BYTES_MAX: usize = 32 * 1024;
/// Budget of larger bodies. With twice this budget, ten clients with the most expensive bodies
/// brought a node to 260 MB.
const BUDGET_BYTES: usize = BODY_BYTES_MAX;
/// Unit of the budget: a semaphore counts in 32 bits.
const UNIT: usize = 1024;
/// Longest wait of a large body for its share.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The budget of a node. Clones share it.
#[derive(Clone)]
pub struct Bodies(Arc<Semaphore>);

/// A body with its share of the budget; its drop returns the share.
pub struct Body {
    /// Bytes of the body.
    pub bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// Why a body was not read.
#[derive(Debug)]
pub enum NoBody {
    /// It has more than `BODY_BYTES_MAX` bytes.
    TooLarge,
    /// Other bodies have the budget.
    Busy,
    /// The connection ended, or it took too long.
    Broken(Error),
}

impl Bodies {
    /// A new budget, all of it free.
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET_BYTES / UNIT)))
    }

    /// Reads the body of a request.
    pub async fn read(&self, request: &HttpRequest, payload: Payload) -> Result<Body, NoBody> {
        let announced = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        // A body in chunks does not announce its size.
        let share = self.share(announced.unwrap_or(BODY_BYTES_MAX)).await?;
        match payload.to_bytes_limited(BODY_BYTES_MAX).await {
            Ok(Ok(bytes)) => Ok(Body {
                bytes,
                _share: share,
            }),
            Ok(Err(error)) => Err(NoBody::Broken(error)),
            // Only a body in chunks gets here: an announced size was checked before.
            Err(_) => Err(NoBody::TooLarge),
        }
    }

    async fn share(&self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, NoBody> {
        if bytes > BODY_BYTES_MAX {
            return Err(NoBody::TooLarge);
        }
        if bytes <= SMALL_BYTES_MAX {
            return Ok(None);
        }
        let units = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| NoBody::TooLarge)?;
        match timeout(WAIT_MAX, self.0.clone().acquire_many_owned(units)).await {
            Ok(Ok(share)) => Ok(Some(share)),
            _ => Err(NoBody::Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_bodies_wait_for_each_other_and_small_ones_for_nobody() {
        let bodies = Bodies::new();
        let largest = bodies.share(BODY_BYTES_MAX).await.expect("there is room");
        assert!(
            bodies
                .share(SMALL_BYTES_MAX)
                .await
                .is_ok_and(|share| share.is_none())
        );
        assert!(
            timeout(Duration::ZERO, bodies.share(SMALL_BYTES_MAX + 1))
                .await
                .is_err(),
            "it waits"
        );
        let (waiting, ()) = tokio::join!(bodies.share(BODY_BYTES_MAX), async { drop(largest) });
        assert!(waiting.is_ok_and(|share| share.is_some()));
        assert_eq!(
            bodies.0.available_permits(),
            BUDGET_BYTES / UNIT,
            "all came back"
        );
        assert!(matches!(
            bodies.share(BODY_BYTES_MAX + 1).await,
            Err(NoBody::TooLarge)
        ));
    }

    #[test]
    fn the_shipped_proxy_takes_as_much() {
        let nginx = include_str!("../../deploy/nginx/nginx.conf");
        assert!(nginx.contains(&format!(
            "client_max_body_size {}m;",
            BODY_BYTES_MAX / 1024 / 1024
        )));
    }
}

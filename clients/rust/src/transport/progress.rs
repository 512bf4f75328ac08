//! What moves inside of messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Notes when bytes moved last in one direction of a connection. By it a session
/// tells a peer that is slow with a long message from one that is gone.
#[derive(Clone, Debug)]
pub struct Progress(Arc<Noted>);

#[derive(Debug)]
struct Noted {
    start: Instant,
    /// Nanoseconds since the start.
    last: AtomicU64,
}

impl Progress {
    /// Nothing has moved yet.
    #[allow(clippy::new_without_default)] // the moment counts
    pub fn new() -> Progress {
        Progress(Arc::new(Noted { start: Instant::now(), last: AtomicU64::new(0) }))
    }

    /// Bytes move.
    pub fn note(&self) {
        self.0.last.store(self.0.start.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }

    /// When they moved last, or when this was made.
    pub(crate) fn last(&self) -> Instant {
        self.0.start + Duration::from_nanos(self.0.last.load(Ordering::Relaxed))
    }
}

//! Everything that depends on time (rules 1, 10, 11 and 12). The engine has no
//! clock: it is told the time since the session's start, and says when it wants
//! to be told next.

use std::time::Duration;

use super::{Engine, Job, Phase};
use crate::error::{Code, Loss, Status};

/// From FAIL on 0 to the closed transport.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// From this side's goodbye to the closed transport, if the peer's does not come.
pub(super) const PARTING: Duration = Duration::from_secs(5);

/// A PING that was not answered yet.
pub(super) struct Ping {
    pub payload: [u8; 8],
    /// When the transport had taken it, or, until then, when it was due.
    pub at: Duration,
    /// It is in a message; and the transport took that.
    pub given: bool,
    pub out: bool,
}

impl Engine {
    /// When `tick` has something to do next.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let running = self.phase == Phase::Running;
        let hello = (running && self.peer.is_none()).then_some(self.opt.hello_timeout);
        let keepalive = if running { self.keepalive_at() } else { None };
        let write = if running { self.write_at() } else { None };
        [hello, keepalive, write, self.close_at].into_iter().flatten().min()
    }

    /// When the peer is asked, or given up.
    fn keepalive_at(&self) -> Option<Duration> {
        let keepalive = self.opt.keepalive?;
        self.peer.as_ref()?; // HELLO has a time of its own
        // From any sign of life on both times run, though no second PING is due.
        let asked = match &self.ping {
            None => return Some(self.heard_at + keepalive),
            Some(ping) if ping.out => ping.at,
            // It waits in or behind a long message, which may be on its way.
            Some(ping) => ping.at.max(self.moved_at),
        };
        Some(asked.max(self.heard_at + keepalive) + keepalive)
    }

    /// When a peer that reads nothing is given up.
    fn write_at(&self) -> Option<Duration> {
        self.sending_since.map(|since| since.max(self.moved_at) + self.opt.write_timeout)
    }

    /// When bytes came last, and when the transport took some, as far as it tells.
    pub(crate) fn bytes_moved(&mut self, came: Duration, went: Duration) {
        self.heard_at = self.heard_at.max(came);
        self.moved_at = self.moved_at.max(went);
    }

    /// What time it is; told before every event.
    pub(crate) fn set_now(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Does what is due by now, if anything is.
    pub(crate) fn tick(&mut self) {
        let now = self.now;
        if self.close_at.is_some_and(|at| now >= at) {
            if self.phase == Phase::Running && !self.said_bye && self.broken.is_none() {
                // Streams still live, and nobody here is left to wait for them.
                return self.stop(Status::new(Code::SHUTTING_DOWN, "the application has left"));
            }
            if self.ending.is_none() {
                let text = self.broken.take().unwrap_or_else(|| "the peer's goodbye did not come".to_owned());
                self.lose(Err(Loss::Cut(text)));
            }
            self.phase = Phase::Over;
            self.wake_all();
            return;
        }
        if self.phase != Phase::Running {
            return;
        }
        if self.peer.is_none() && now >= self.opt.hello_timeout {
            return self.stop(Status::new(Code::TIMED_OUT, "rule 1: hello timed out"));
        }
        if self.write_at().is_some_and(|at| now >= at) {
            return self.stop(Status::new(Code::TIMED_OUT, "rule 11: the peer did not read"));
        }
        if self.keepalive_at().is_some_and(|at| now >= at) {
            if self.ping.is_some() {
                return self.stop(Status::new(Code::TIMED_OUT, "rule 11: keepalive timed out"));
            }
            self.pings += 1;
            self.ping = Some(Ping { payload: self.pings.to_be_bytes(), at: now, given: false, out: false });
            self.jobs.push_back(Job::Ping);
        }
    }

    /// Nobody waits for this session any more: it may take so long to part, no longer.
    pub(super) fn abandoned(&mut self) {
        if self.phase == Phase::Running && self.close_at.is_none() {
            self.close_at = Some(self.now + PARTING);
        }
    }

    /// The transport did not take a message. What the peer said last may still be
    /// on its way to us, so reading goes on for a moment.
    pub(crate) fn write_failed(&mut self, text: &str) {
        self.sending_since = None;
        self.broken.get_or_insert_with(|| text.to_owned());
        if self.heard_all {
            self.phase = Phase::Over;
        }
        let at = self.now + LINGER;
        self.close_at = Some(self.close_at.map_or(at, |earlier| earlier.min(at)));
    }
}

//! What an application does with the session as a whole, and how it ends.

use std::task::Waker;

use bytes::Bytes;

use super::{Engine, Job, Phase, Ticket, Waiting, check_metadata, times};
use crate::error::{Code, Error, Loss, Status};
use crate::frame::{Hello, Kind};

impl Engine {
    /// The peer's HELLO, once it has come.
    pub(crate) fn peer(&self) -> Option<&Hello> {
        self.peer.as_ref()
    }

    /// How the session ended, once it has.
    pub(crate) fn ending(&self) -> Option<&Result<(), Loss>> {
        self.ending.as_ref()
    }

    /// Wakes `waker` when a stream comes, or HELLO, or when the session moves towards
    /// its end. The ticket names the wait from the first time on.
    pub(crate) fn watch(&mut self, ticket: &mut Option<Ticket>, waker: &Waker) {
        let ticket = *ticket.get_or_insert_with(|| {
            self.tickets += 1;
            Ticket(self.tickets)
        });
        self.watchers.insert(ticket, waker.clone());
    }

    /// Whoever waited has left.
    pub(crate) fn unwatch(&mut self, ticket: Ticket) -> Option<Waker> {
        self.watchers.remove(&ticket)
    }

    /// Whom to wake, now that the engine was let go.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wakers)
    }

    /// Asks for a stream of kind 0 or 1. It is decided at once if there is a slot.
    pub(crate) fn open(&mut self, kind: Kind, metadata: Bytes) -> Result<Ticket, Error> {
        check_metadata(&metadata)?;
        if let Some(error) = self.no_open(kind) {
            return Err(error);
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.push_back(Waiting { ticket, kind, metadata, waker: None });
        self.step();
        Ok(ticket)
    }

    /// The number of the stream, or why there is none, or `None`: it still waits.
    pub(crate) fn poll_open(&mut self, ticket: Ticket, waker: &Waker) -> Option<Result<u32, Error>> {
        if let Some(outcome) = self.decided.remove(&ticket) {
            return Some(outcome);
        }
        let waiting = self.waiting.iter_mut().find(|w| w.ticket == ticket)?;
        waiting.waker = Some(waker.clone());
        None
    }

    /// Whoever asked has left: nothing is sent, or the stream is broken off.
    pub(crate) fn forget_open(&mut self, ticket: Ticket) {
        self.waiting.retain(|w| w.ticket != ticket);
        if let Some(Ok(number)) = self.decided.remove(&ticket) {
            let is_call = self.own.get(&number).is_some_and(|s| s.kind == Kind::Call);
            self.drop_writer(number);
            if is_call {
                self.drop_answer(number);
            }
        }
    }

    /// The next of the peer's streams; `Ok(None)`: none can come any more.
    pub(crate) fn accept(&mut self) -> Option<Option<u32>> {
        if self.ending.is_some() {
            return Some(None);
        }
        while let Some(number) = self.incoming.pop_front() {
            // One that the session closed by itself is not worth showing.
            if self.theirs.get(&number).is_some_and(|s| s.close.is_none()) {
                return Some(Some(number));
            }
            self.drop_reader(number);
        }
        if self.heard_end { Some(None) } else { None }
    }

    /// Begins a graceful shutdown (rule 12).
    pub(crate) fn shutdown(&mut self, reason: &str) {
        if self.phase != Phase::Running || self.shutting.is_some() {
            return;
        }
        self.shutting = Some(Status::new(Code::SHUTTING_DOWN, reason));
        if !self.said_end {
            self.jobs.push_back(Job::CloseSession);
        }
        self.fail_waiting();
        self.step();
    }

    /// Nobody holds the session or a stream of it any more: what nobody can
    /// accept is refused, and the rest is a shutdown.
    pub(crate) fn abandon(&mut self) {
        self.shutdown("");
        while let Some(number) = self.incoming.pop_front() {
            self.close(number, Status::new(Code::SHUTTING_DOWN, ""));
            self.drop_reader(number);
        }
        self.abandoned();
    }

    /// Ends the session with FAIL on 0: a broken rule, a deadline, or the application's wish.
    pub(crate) fn stop(&mut self, status: Status) {
        if self.phase != Phase::Running {
            return;
        }
        self.phase = Phase::Failing;
        self.fail = Some(status.clone());
        self.close_at = Some(self.now + times::LINGER);
        self.lose(Err(Loss::ByUs(status)));
    }

    /// Nothing more will be received; `text` says why.
    pub(crate) fn transport_ended(&mut self, text: &str) {
        self.heard_all = true;
        if self.phase == Phase::Failing && (self.fail.is_some() || self.sending_since.is_some()) {
            return; // the peer may still listen: FAIL goes out first
        }
        if self.ending.is_none() {
            let text = self.broken.take().unwrap_or_else(|| text.to_owned());
            self.lose(Err(Loss::Cut(text)));
        }
        self.phase = Phase::Over;
        self.wake_all();
    }

    /// The transport is closed, and nobody drives the engine any more.
    pub(crate) fn transport_closed(&mut self) {
        if self.ending.is_none() {
            self.lose(Err(Loss::Cut("the runtime has ended".to_owned())));
        }
        self.phase = Phase::Over;
        self.closed = true;
        self.wake_all();
    }

    /// Whether it was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the transport is to be closed now.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether it ended because the peer broke a rule.
    pub(crate) fn broke_a_rule(&self) -> bool {
        matches!(&self.ending, Some(Err(Loss::ByUs(status))) if status.reason.starts_with("rule "))
    }
}

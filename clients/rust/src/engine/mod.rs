//! The session as a state machine: no sockets, no clock, no tasks.
//!
//! ```text
//!            receive(message)          open, write, end, read, close ...
//!   transport ------------> +--------+ <------------------- application
//!             <------------ | Engine |
//!          next_message()   +--------+ -------------------> take_wakers()
//!                          set_now, tick
//! ```
//!
//! What goes out waits as *jobs*, in the order in which it was asked for:
//! "stream 3 has something to say", "more credit for stream 5". A job looks at
//! the stream's state only when `next_message` takes it, so a job is state and
//! not a queue of frames: a stream has at most one of each kind. What a frame
//! says takes effect when `next_message` hands it out, which the caller does
//! just before it sends (rule 2).
//!
//! A number of one's own stream is set aside as soon as the stream is sure of
//! its slot; OPENs are sent in that order, so numbers leave in their order.

mod receive;
mod send;
mod session;
mod state;
mod streams;
mod times;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;

use crate::error::{Code, Error, Loss, Status};
use crate::frame::{Hello, Kind, MAX_METADATA};
use crate::options::Options;
use state::{Own, Their};
pub(crate) use state::{Read, Ticket};

/// Something to be sent; see the module's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    /// Own stream: its OPEN, items, or last word.
    Stream(u32),
    /// Peer's stream: REQUEST.
    Request(u32),
    /// Peer's stream: CLOSE.
    Close(u32),
    /// CLOSE on 0.
    CloseSession,
    /// END on 0.
    EndSession,
    /// FAIL on 0 with code 0.
    Goodbye,
    /// PING.
    Ping,
}

/// How far the session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// FAIL on 0 was said or waits to be: read, drop, and close in a second.
    Failing,
    /// Both goodbyes are due; this side's is still on its way out.
    Parting,
    /// Nothing more to do: close the transport.
    Over,
}

/// An open that has no slot yet.
struct Waiting {
    ticket: Ticket,
    kind: Kind,
    metadata: Bytes,
    waker: Option<Waker>,
}

/// One side of a session.
pub(crate) struct Engine {
    opt: Options,
    peer: Option<Hello>,
    phase: Phase,
    /// Set when the session has ended; `Ok` means by goodbyes.
    ending: Option<Result<(), Loss>>,

    own: HashMap<u32, Own>,
    theirs: HashMap<u32, Their>,
    next: u64,
    peer_next: u64,
    /// Streams that live, by who opened them.
    own_alive: usize,
    their_alive: usize,
    /// Slots in use (rule 5).
    own_slots: usize,
    their_slots: usize,
    /// Own streams whose OPEN was not given yet, and peer's calls that might still be answered.
    unopened: usize,
    unanswered: usize,

    waiting: VecDeque<Waiting>,
    /// Opens that were decided and not yet picked up.
    decided: HashMap<Ticket, Result<u32, Error>>,
    tickets: u64,
    /// The peer's streams that nobody accepted yet.
    incoming: VecDeque<u32>,

    // What goes out.
    jobs: VecDeque<Job>,
    said_hello: bool,
    pong: Option<[u8; 8]>,
    /// A PONG left no room for the next frame.
    crowded: bool,
    fail: Option<Status>,
    /// Since when a message has been handed out that is not sent yet.
    sending_since: Option<Duration>,
    /// Nothing more comes; the transport took no more.
    heard_all: bool,
    broken: Option<String>,
    /// The transport was closed.
    closed: bool,

    // The words on stream 0 (rule 12).
    shutting: Option<Status>,
    heard_close: Option<Status>,
    end_queued: bool,
    said_end: bool,
    heard_end: bool,
    bye_queued: bool,
    said_bye: bool,

    // Times, since the session's start.
    now: Duration,
    heard_at: Duration,
    moved_at: Duration,
    ping: Option<times::Ping>,
    pings: u64,
    close_at: Option<Duration>,

    /// To be woken by whoever holds the engine, once it has let go of it.
    wakers: Vec<Waker>,
    /// Who waits for the session: accept and closed, the first to wait first.
    watchers: BTreeMap<Ticket, Waker>,
}

impl Engine {
    pub(crate) fn new(opt: Options) -> Engine {
        let opt = opt.checked();
        Engine {
            next: opt.first_stream.into(),
            opt,
            peer: None,
            phase: Phase::Running,
            ending: None,
            own: HashMap::new(),
            theirs: HashMap::new(),
            peer_next: 1,
            own_alive: 0,
            their_alive: 0,
            own_slots: 0,
            their_slots: 0,
            unopened: 0,
            unanswered: 0,
            waiting: VecDeque::new(),
            decided: HashMap::new(),
            tickets: 0,
            incoming: VecDeque::new(),
            jobs: VecDeque::new(),
            said_hello: false,
            pong: None,
            crowded: false,
            fail: None,
            sending_since: None,
            heard_all: false,
            broken: None,
            closed: false,
            shutting: None,
            heard_close: None,
            end_queued: false,
            said_end: false,
            heard_end: false,
            bye_queued: false,
            said_bye: false,
            now: Duration::ZERO,
            heard_at: Duration::ZERO,
            moved_at: Duration::ZERO,
            ping: None,
            pings: 0,
            close_at: None,
            wakers: Vec::new(),
            watchers: BTreeMap::new(),
        }
    }

    // ---- what follows from what happened

    /// Does what has become possible or due; called after every event.
    fn step(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        self.admit();
        if self.exhausted() {
            self.close_unanswered();
        }
        if !self.end_queued && self.end_is_due() {
            self.end_queued = true;
            self.jobs.push_back(Job::EndSession);
        }
        if !self.bye_queued && self.done() {
            self.bye_queued = true;
            self.jobs.push_back(Job::Goodbye);
        }
    }

    /// Gives slots to opens that wait, first come first served.
    fn admit(&mut self) {
        let Some(peer) = &self.peer else { return };
        let streams = peer.streams as usize;
        while self.own_slots < streams && !self.exhausted() {
            let Some(waiting) = self.waiting.pop_front() else { return };
            let number = self.reserve(waiting.kind, waiting.metadata);
            self.decided.insert(waiting.ticket, Ok(number));
            self.wakers.extend(waiting.waker);
        }
        if self.exhausted() {
            self.fail_waiting();
        }
    }

    /// Fails the opens that wait and cannot be had any more.
    fn fail_waiting(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            match self.no_open(waiting.kind) {
                Some(error) => {
                    self.decided.insert(waiting.ticket, Err(error));
                    self.wakers.extend(waiting.waker);
                }
                None => self.waiting.push_back(waiting),
            }
        }
    }

    /// Why no stream of this kind can be opened, if so.
    fn no_open(&self, kind: Kind) -> Option<Error> {
        let closed = |code: Code, reason: &str| Some(Error::Closed(Status::new(code, reason)));
        if let Some(ending @ Err(_)) = &self.ending {
            return Some(lost(ending));
        }
        if let Some(heard) = &self.heard_close {
            let code = if heard.code == Code::DONE { Code::SHUTTING_DOWN } else { heard.code };
            return closed(code, &heard.reason);
        }
        if self.shutting.is_some() {
            return closed(Code::SHUTTING_DOWN, "this side is shutting down");
        }
        if self.heard_end && kind == Kind::Call {
            return closed(Code::SHUTTING_DOWN, "the peer answers no more calls");
        }
        if self.exhausted() {
            return closed(Code::NO_CREDIT, "stream numbers have run out");
        }
        self.loss()
    }

    fn exhausted(&self) -> bool {
        self.next > u64::from(u32::MAX)
    }

    /// Numbers have run out: no call can be answered any more (rule 13).
    fn close_unanswered(&mut self) {
        let calls: Vec<(u32, bool)> = (self.theirs.iter())
            .filter(|(_, s)| s.kind == Kind::Call && s.answer.is_none() && s.close.is_none())
            .map(|(number, s)| (*number, s.taken > 0))
            .collect();
        for (number, looked_at) in calls {
            let code = if looked_at { Code::CANCELED } else { Code::REFUSED };
            self.close(number, Status::new(code, "stream numbers have run out"));
            if let Some(at) = self.incoming.iter().position(|incoming| *incoming == number) {
                self.incoming.remove(at);
                self.drop_reader(number);
            }
        }
    }

    fn end_is_due(&self) -> bool {
        !self.said_end
            && (self.shutting.is_some() || self.heard_close.is_some() || self.exhausted())
            && self.unopened == 0
            && self.unanswered == 0
    }

    /// Nothing is left but the goodbyes.
    fn done(&self) -> bool {
        self.said_end && self.heard_end && self.own_alive == 0 && self.their_alive == 0
    }

    /// All that lives is lost; nothing queued goes out any more.
    fn lose(&mut self, ending: Result<(), Loss>) {
        self.ending = Some(ending);
        self.jobs.clear();
        self.pong = None;
        self.fail_waiting();
        self.wake_all();
    }

    fn wake_all(&mut self) {
        self.wake_watchers();
        for stream in self.own.values_mut() {
            self.wakers.extend(stream.writer.take());
            self.wakers.extend(stream.caller.take());
        }
        for stream in self.theirs.values_mut() {
            self.wakers.extend(stream.reader.take());
        }
    }

    fn wake_watchers(&mut self) {
        self.wakers.extend(std::mem::take(&mut self.watchers).into_values());
    }

    fn loss(&self) -> Option<Error> {
        self.ending.as_ref().map(lost)
    }
}

/// What an application is told that holds something when the session has ended.
pub(crate) fn lost(ending: &Result<(), Loss>) -> Error {
    match ending {
        Err(loss) => Error::Lost(loss.clone()),
        Ok(()) => Error::Lost(Loss::Cut("the session was shut down".to_owned())),
    }
}

fn check_metadata(metadata: &Bytes) -> Result<(), Error> {
    if metadata.len() > MAX_METADATA {
        return Err(Error::TooLong { len: metadata.len(), max: MAX_METADATA });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::BytesMut;

    use super::*;
    use crate::frame::Frame;

    fn say(engine: &mut Engine, frames: &[Frame]) {
        let mut message = BytesMut::new();
        frames.iter().for_each(|frame| frame.encode(&mut message));
        engine.receive(message.freeze());
        while engine.next_message().is_some() {
            engine.sent();
        }
        assert!(engine.ending().is_none());
    }

    /// Nobody accepts, and the session closes them by itself.
    #[test]
    fn calls_that_come_when_numbers_have_run_out_leave_nothing_behind() {
        let mut engine = Engine::new(Options { first_stream: u32::MAX, ..Options::default() });
        let hello = Hello { version: 1, max_item: 0, streams: 1, items: 0, bytes: 0, metadata: Bytes::new() };
        say(&mut engine, &[Frame::Hello(hello)]);
        let ticket = engine.open(Kind::OneWay, Bytes::new()).expect("a slot");
        engine.poll_open(ticket, Waker::noop()).expect("decided").expect("a stream");
        for stream in 1..1000 {
            let status = Status::new(1, "");
            say(&mut engine, &[Frame::Open { stream, kind: Kind::Call, metadata: Bytes::new() }]);
            say(&mut engine, &[Frame::Fail { stream, status }]);
        }
        assert_eq!((engine.theirs.len(), engine.incoming.len(), engine.their_slots), (0, 0, 0));
    }
}

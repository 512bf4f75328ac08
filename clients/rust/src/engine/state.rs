//! What is known of one stream: the two state tables of SPEC.md as structs.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::Bytes;

use crate::error::{Error, Status};
use crate::frame::Kind;

/// Names an open that waits for its slot, or another wait for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(super) u64);

/// An opener's last word.
#[derive(Clone, Debug)]
pub(super) enum Last {
    End,
    Fail(Status),
}

/// A stream that this side opened.
pub(super) struct Own {
    pub kind: Kind,
    /// Until OPEN is given.
    pub metadata: Bytes,
    /// OPEN was given.
    pub opened: bool,
    /// Credit: the greatest totals so far, and what was accepted from the application.
    pub items: u64,
    pub bytes: u64,
    pub sent: u64,
    pub sent_bytes: u64,
    /// Accepted and not given yet, and its bytes.
    pub queue: VecDeque<Bytes>,
    pub unsent: usize,
    /// A `Job::Stream` waits.
    pub queued: bool,
    /// The last word, once it is known; and whether it was given.
    pub last: Option<Last>,
    pub said: bool,
    /// CLOSE came.
    pub closed: Option<Status>,
    /// A call: the peer's stream that answers it.
    pub answer: Option<u32>,
    /// A call: nobody wants the answer any more, or somebody has it already.
    pub given_up: bool,
    pub answer_taken: bool,
    /// How many of Writer and Answer are still held.
    pub holders: u8,
    pub writer: Option<Waker>,
    pub caller: Option<Waker>,
}

impl Own {
    pub fn is_dead(&self) -> bool {
        self.said && self.closed.is_some()
    }
}

/// A stream that the peer opened.
pub(super) struct Their {
    pub kind: Kind,
    pub metadata: Bytes,
    /// Credit as granted: these REQUESTs were given.
    pub items: u64,
    pub bytes: u64,
    /// Credit as planned: REQUEST waits if these are larger.
    pub plan_items: u64,
    pub plan_bytes: u64,
    pub request_queued: bool,
    /// What came, and what the application took of it.
    pub got: u64,
    pub got_bytes: u64,
    pub taken: u64,
    pub taken_bytes: u64,
    /// The total of items that the application asked for; whether it began to read.
    pub wanted: u64,
    pub reading: bool,
    pub buffer: VecDeque<Bytes>,
    /// The opener's last word.
    pub said: Option<Last>,
    /// The reader came to it.
    pub finished: bool,
    /// CLOSE is due with this, and whether it was given.
    pub close: Option<Status>,
    pub closed: bool,
    /// A call: the number of the answer, and whether its OPEN was given.
    pub answer: Option<u32>,
    pub answered: bool,
    /// The application can still reach it.
    pub held: bool,
    pub reader: Option<Waker>,
}

impl Their {
    pub fn is_dead(&self) -> bool {
        self.said.is_some() && self.closed
    }
}

/// What a reader gets.
#[derive(Debug)]
pub(crate) enum Read {
    Item(Bytes),
    /// The clean end.
    End,
    Error(Error),
    /// Nothing yet.
    Wait,
}

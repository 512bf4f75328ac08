//! What an application does with one stream, and how a stream ends.

use std::task::Waker;

use bytes::Bytes;

use super::state::{Last, Own, Read};
use super::{Engine, Job, check_metadata};
use crate::error::{Code, Error, Status};
use crate::frame::{HEADER, Kind, MAX_TOTAL};

/// A writer waits while so many of its bytes, headers included, wait for the
/// transport, whatever its credit.
const ROOM: usize = 64 * 1024;
/// The most items that are granted ahead of those taken: empty ones cost no bytes
/// of credit, but they take memory.
const AHEAD: u64 = 1 << 16;

impl Engine {
    // ---- own streams: the opener's side

    /// Makes the next own stream; its OPEN is queued.
    pub(super) fn reserve(&mut self, kind: Kind, metadata: Bytes) -> u32 {
        let peer = self.peer.as_ref().expect("BUG: opened before HELLO");
        let number = u32::try_from(self.next).expect("BUG: numbers have run out");
        let stream = Own {
            kind,
            metadata,
            opened: false,
            items: peer.items.into(),
            bytes: peer.bytes.into(),
            sent: 0,
            sent_bytes: 0,
            queue: Default::default(),
            unsent: 0,
            queued: false,
            last: None,
            said: false,
            closed: None,
            answer: None,
            given_up: false,
            answer_taken: false,
            holders: if kind == Kind::Call { 2 } else { 1 },
            writer: None,
            caller: None,
        };
        self.own.insert(number, stream);
        self.next += 1;
        self.own_alive += 1;
        self.unopened += 1;
        self.own_slots += usize::from(!matches!(kind, Kind::Answer(_)));
        self.speak(number);
        number
    }

    /// Own stream has something to say.
    pub(super) fn speak(&mut self, number: u32) {
        if let Some(s) = self.own.get_mut(&number).filter(|s| !s.queued) {
            s.queued = true;
            self.jobs.push_back(Job::Stream(number));
        }
    }

    /// Opens the answer to the peer's call.
    pub(crate) fn reply(&mut self, call: u32, metadata: Bytes) -> Result<u32, Error> {
        check_metadata(&metadata)?;
        if let Some(error) = self.loss() {
            return Err(error);
        }
        let s = self.theirs.get(&call).ok_or(Error::Ended)?;
        if let Some(status) = &s.close {
            return Err(Error::Closed(status.clone()));
        }
        if s.kind != Kind::Call || s.answer.is_some() {
            return Err(Error::Ended);
        }
        let number = self.reserve(Kind::Answer(call), metadata);
        let s = self.theirs.get_mut(&call).expect("BUG: the call was there");
        s.answer = Some(number);
        if s.finished {
            self.close(call, Status::new(Code::DONE, ""));
        }
        self.step();
        Ok(number)
    }

    /// Takes an item if credit and room are there; `Ok(false)`: not yet.
    pub(crate) fn write(&mut self, number: u32, item: &Bytes, waker: &Waker) -> Result<bool, Error> {
        self.check_item(number, item.len())?;
        let s = self.own.get_mut(&number).expect("BUG: checked above");
        let len = item.len() as u64;
        // A total of 2^53-1 bytes means that bytes are not counted; no stream gets there.
        if s.sent + 1 > s.items || s.sent_bytes + len > s.bytes || s.unsent >= ROOM {
            s.writer = Some(waker.clone());
            return Ok(false);
        }
        s.sent += 1;
        s.sent_bytes += len;
        s.unsent += HEADER + item.len();
        s.queue.push_back(item.clone());
        self.speak(number);
        Ok(true)
    }

    /// Why an item of this length can never be written, if so.
    pub(crate) fn check_item(&self, number: u32, len: usize) -> Result<(), Error> {
        let s = self.own.get(&number).ok_or(Error::Ended)?;
        if let Some(status) = &s.closed {
            return Err(if status.code == Code::DONE { Error::Ended } else { Error::Closed(status.clone()) });
        }
        if let Some(error) = self.loss() {
            return Err(error);
        }
        if s.last.is_some() {
            return Err(Error::Ended);
        }
        let max = self.peer.as_ref().map_or(0, |p| p.max_item as usize);
        if len > max {
            return Err(Error::TooLong { len, max });
        }
        Ok(())
    }

    /// Whether all that was accepted was given to the transport.
    pub(crate) fn poll_given(&mut self, number: u32, waker: &Waker) -> bool {
        let gone = self.ending.is_some();
        match self.own.get_mut(&number) {
            Some(s) if s.queued && !gone => {
                s.writer = Some(waker.clone());
                false
            }
            _ => true,
        }
    }

    /// The items that the reader has asked for, in total; `waker` is woken when more are.
    pub(crate) fn demand(&mut self, number: u32, waker: &Waker) -> u64 {
        self.own.get_mut(&number).map_or(0, |s| {
            s.writer = Some(waker.clone());
            s.items
        })
    }

    /// The opener's last word; only the first counts.
    pub(crate) fn end(&mut self, number: u32) {
        self.say_last(number, Last::End);
    }

    /// The same for breaking off; a call is given up with it.
    pub(crate) fn fail(&mut self, number: u32, status: Status) {
        self.say_last(number, Last::Fail(status));
        self.give_up(number);
    }

    fn say_last(&mut self, number: u32, last: Last) {
        if let Some(s) = self.own.get_mut(&number) {
            if s.last.is_none() && self.ending.is_none() {
                s.last = Some(last);
                self.speak(number);
            }
        }
    }

    /// How the reader took leave: `Ok` if it took everything.
    pub(crate) fn poll_receipt(&mut self, number: u32, waker: &Waker) -> Option<Result<(), Error>> {
        let loss = self.loss();
        let Some(s) = self.own.get_mut(&number) else { return Some(Err(Error::Ended)) };
        match (&s.closed, loss) {
            (Some(status), _) if status.code == Code::DONE => Some(Ok(())),
            (Some(status), _) => Some(Err(Error::Closed(status.clone()))),
            (None, Some(error)) => Some(Err(error)),
            (None, None) => {
                s.writer = Some(waker.clone());
                None
            }
        }
    }

    /// The answer's number and metadata, once it is there.
    pub(crate) fn poll_answer(&mut self, call: u32, waker: &Waker) -> Option<Result<(u32, Bytes), Error>> {
        let loss = self.loss();
        let Some(s) = self.own.get_mut(&call) else { return Some(Err(Error::Ended)) };
        if s.given_up || s.answer_taken {
            return Some(Err(Error::Ended));
        }
        match (s.answer, &s.closed, loss) {
            (Some(answer), _, _) => {
                s.answer_taken = true;
                Some(Ok((answer, self.describe(answer).1)))
            }
            (None, Some(status), _) => Some(Err(Error::Closed(status.clone()))),
            (None, None, Some(error)) => Some(Err(error)),
            (None, None, None) => {
                s.caller = Some(waker.clone());
                None
            }
        }
    }

    /// Nobody wants the call's answer: one that is here or comes is closed at once.
    fn give_up(&mut self, call: u32) {
        let Some(s) = self.own.get_mut(&call) else { return };
        if s.kind != Kind::Call || s.answer_taken || s.given_up {
            return;
        }
        s.given_up = true;
        self.wakers.extend(s.caller.take());
        if let Some(answer) = s.answer {
            self.close(answer, Status::new(Code::CANCELED, "the caller has given up"));
            self.drop_reader(answer);
        }
    }

    /// The application let go of the writer: what it did not end is broken off.
    pub(crate) fn drop_writer(&mut self, number: u32) {
        self.say_last(number, Last::Fail(Status::new(Code::CANCELED, "the writer was dropped")));
        self.let_go(number);
    }

    /// The application let go of the wait for the answer.
    pub(crate) fn drop_answer(&mut self, call: u32) {
        self.give_up(call);
        self.let_go(call);
    }

    fn let_go(&mut self, number: u32) {
        if let Some(s) = self.own.get_mut(&number) {
            s.holders -= 1;
            if s.holders == 0 && s.is_dead() {
                self.own.remove(&number);
            }
        }
    }

    /// Both last words were said on an own stream: the slot may be free.
    pub(super) fn own_death(&mut self, number: u32) {
        self.own_alive -= 1;
        let s = &self.own[&number];
        let (kind, answer, held) = (s.kind, s.answer, s.holders > 0);
        match kind {
            Kind::OneWay => self.own_slots -= 1,
            Kind::Call => self.own_slots -= usize::from(answer.is_none_or(|a| self.their_is_dead(a))),
            Kind::Answer(call) => self.their_slots -= usize::from(self.their_is_dead(call)),
        }
        if !held {
            self.own.remove(&number);
        }
    }

    fn own_is_dead(&self, number: u32) -> bool {
        self.own.get(&number).is_none_or(Own::is_dead)
    }

    // ---- the peer's streams: the acceptor's side

    /// Kind and metadata, for whoever accepts it.
    pub(crate) fn describe(&self, number: u32) -> (bool, Bytes) {
        let s = &self.theirs[&number];
        (s.kind == Kind::Call, s.metadata.clone())
    }

    /// Takes the next item, or comes to the end (rule 7). `ask`: who waits wants one more.
    pub(crate) fn read(&mut self, number: u32, ask: bool, waker: &Waker) -> Read {
        let loss = self.loss();
        let Some(s) = self.theirs.get_mut(&number) else { return Read::Error(Error::Ended) };
        if let Some(status) = s.close.as_ref().filter(|_| !s.finished) {
            return Read::Error(Error::Closed(status.clone()));
        }
        s.reading = true;
        if let Some(item) = s.buffer.pop_front() {
            s.taken += 1;
            s.taken_bytes += item.len() as u64;
            self.grant(number);
            return Read::Item(item);
        }
        // One that was lost never ends well, even if END had come (rule 12).
        if let Some(error) = loss.filter(|_| !s.is_dead()) {
            return Read::Error(error);
        }
        let Some(last) = &s.said else {
            s.reader = Some(waker.clone());
            if ask {
                s.wanted = s.wanted.max(s.taken + 1);
            }
            self.grant(number);
            return Read::Wait;
        };
        let outcome = match last {
            Last::End => Read::End,
            Last::Fail(status) => Read::Error(Error::Failed(status.clone())),
        };
        if !s.finished {
            s.finished = true;
            if s.kind != Kind::Call || s.answer.is_some() {
                self.close(number, Status::new(Code::DONE, ""));
            }
        }
        outcome
    }

    /// The application asks for items up to this total.
    pub(crate) fn want(&mut self, number: u32, total: u64) {
        if let Some(s) = self.theirs.get_mut(&number) {
            s.wanted = s.wanted.max(total.min(MAX_TOTAL));
            self.grant(number);
        }
    }

    /// Plans credit, and queues REQUEST when it is worth a frame or somebody waits (rule 3).
    fn grant(&mut self, number: u32) {
        let (max_item, window) = (u64::from(self.opt.max_item), u64::from(self.opt.window));
        let prefetch = u64::from(self.opt.prefetch);
        let Some(s) = self.theirs.get_mut(&number) else { return };
        if s.said.is_some() || s.close.is_some() || self.ending.is_some() {
            return;
        }
        let ahead = if s.reading { prefetch } else { 0 };
        // More than is granted ahead is granted in steps, each worth a frame.
        let reach = (s.taken + AHEAD) / (AHEAD / 2) * (AHEAD / 2);
        let wanted = s.wanted.min(reach);
        let items = s.plan_items.max(wanted).max(s.taken + ahead);
        let outstanding = items - s.taken;
        if outstanding == 0 {
            return;
        }
        // No more bytes than items can use, and never less than the longest one.
        let bytes = s.taken_bytes + outstanding.saturating_mul(max_item).min(window);
        let bytes = bytes.max(s.plan_bytes);
        let asked = wanted > s.plan_items;
        let no_room = s.plan_bytes < s.taken_bytes + max_item;
        let half_used = items - s.plan_items > prefetch / 2 || bytes - s.plan_bytes > window / 2;
        if asked || no_room || half_used {
            s.plan_items = items;
            s.plan_bytes = bytes;
            if !s.request_queued {
                s.request_queued = true;
                self.jobs.push_back(Job::Request(number));
            }
        }
    }

    /// Queues CLOSE; only the first counts.
    pub(crate) fn close(&mut self, number: u32, status: Status) {
        let Some(s) = self.theirs.get_mut(&number) else { return };
        if s.close.is_some() || self.ending.is_some() {
            return;
        }
        s.close = Some(status);
        s.buffer.clear();
        self.wakers.extend(s.reader.take());
        self.jobs.push_back(Job::Close(number));
    }

    /// The reader leaves before the end: never code 0 (rule 7), and "refused"
    /// only if it has looked at nothing.
    pub(crate) fn leave(&mut self, number: u32, mut status: Status) {
        let Some(s) = self.theirs.get(&number) else { return };
        if status.code == Code::DONE || (status.code == Code::REFUSED && s.taken > 0) {
            status.code = Code::CANCELED;
        }
        self.close(number, status);
    }

    /// The application let go of the reader.
    pub(crate) fn drop_reader(&mut self, number: u32) {
        let Some(s) = self.theirs.get_mut(&number) else { return };
        s.held = false;
        if s.is_dead() {
            self.theirs.remove(&number);
        } else {
            let code =
                if s.kind == Kind::Call && s.answer.is_none() { Code::REFUSED } else { Code::CANCELED };
            self.leave(number, Status::new(code, "the reader was dropped"));
        }
    }

    /// Both last words were said on a stream of the peer.
    pub(super) fn their_death(&mut self, number: u32) {
        self.their_alive -= 1;
        let s = &self.theirs[&number];
        let (kind, answer, held) = (s.kind, s.answer, s.held);
        match kind {
            Kind::OneWay => self.their_slots -= 1,
            Kind::Call => self.their_slots -= usize::from(answer.is_none_or(|a| self.own_is_dead(a))),
            Kind::Answer(call) => self.own_slots -= usize::from(self.own_is_dead(call)),
        }
        if !held {
            self.theirs.remove(&number);
        }
    }

    fn their_is_dead(&self, number: u32) -> bool {
        self.theirs.get(&number).is_none_or(|s| s.is_dead())
    }
}

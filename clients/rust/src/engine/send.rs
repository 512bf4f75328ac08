//! What goes out: jobs become frames, and frames become messages of up to 64 KiB.

use bytes::{Bytes, BytesMut};

use super::state::Last;
use super::{Engine, Job, Phase};
use crate::error::{Code, Status};
use crate::frame::{Frame, HEADER, Hello, Kind, MAX_REASON, MAX_TOTAL, MESSAGE};

/// A stream with much to say lets the others speak after so many bytes.
const TURN: usize = 16 * 1024;

/// What became of a job.
enum Done {
    Yes,
    /// It has more to say, after the others.
    More,
    /// Its frame does not fit into this message any more.
    Full,
}

impl Engine {
    /// Whether `next_message` has something; the caller need not ask before.
    pub(crate) fn has_output(&self) -> bool {
        self.broken.is_none()
            && match self.phase {
                Phase::Running => !self.said_hello || self.pong.is_some() || !self.jobs.is_empty(),
                Phase::Failing => self.fail.is_some(),
                Phase::Parting => !self.jobs.is_empty(),
                Phase::Over => false,
            }
    }

    /// The next message, to be sent at once: what it says counts from now on.
    /// `sent` is to be called when it was sent.
    pub(crate) fn next_message(&mut self) -> Option<Bytes> {
        if !self.has_output() {
            return None;
        }
        let mut out = BytesMut::new();
        if !self.said_hello {
            self.said_hello = true;
            self.hello_frame().encode(&mut out);
        }
        if let Some(status) = self.fail.take() {
            Frame::Fail { stream: 0, status }.encode(&mut out);
        }
        // A PONG that left no room for the next frame waits this time: PINGs that
        // come all the time would keep that frame waiting for ever.
        let crowded = std::mem::take(&mut self.crowded) && !self.jobs.is_empty();
        if let Some(payload) = self.pong.take_if(|_| !crowded) {
            Frame::Pong(payload).encode(&mut out);
        }
        let before = out.len();
        while let Some(job) = self.jobs.pop_front() {
            match self.run(job, &mut out) {
                Done::Yes => self.step(),
                Done::More => self.jobs.push_back(job),
                Done::Full => {
                    self.jobs.push_front(job);
                    self.crowded = out.len() == before;
                    break;
                }
            }
        }
        if out.is_empty() {
            return None;
        }
        self.sending_since = Some(self.now);
        Some(out.freeze())
    }

    /// The message that `next_message` handed out is with the transport.
    pub(crate) fn sent(&mut self) {
        self.sending_since = None;
        if let Some(ping) = self.ping.as_mut().filter(|ping| ping.given && !ping.out) {
            ping.out = true;
            ping.at = self.now;
        }
        let parted = self.phase == Phase::Parting && self.jobs.is_empty();
        let failed = self.phase == Phase::Failing && self.fail.is_none() && self.heard_all;
        if parted || failed {
            self.phase = Phase::Over;
            self.wake_all();
        }
    }

    fn run(&mut self, job: Job, out: &mut BytesMut) -> Done {
        match job {
            Job::Stream(number) => self.run_stream(number, out),
            Job::Request(number) => self.run_request(number, out),
            Job::Close(number) => self.run_close(number, out),
            _ if !fits(out, HEADER + 4 + MAX_REASON) => Done::Full,
            Job::CloseSession => {
                if let Some(status) = self.shutting.clone().filter(|_| !self.said_end) {
                    Frame::Close { stream: 0, status }.encode(out);
                }
                Done::Yes
            }
            Job::EndSession => {
                // A call may have come since this was queued: then it is not due.
                self.end_queued = false;
                if self.end_is_due() {
                    self.said_end = true;
                    Frame::End { stream: 0 }.encode(out);
                }
                Done::Yes
            }
            Job::Goodbye => {
                self.said_bye = true;
                self.close_at.get_or_insert(self.now + super::times::PARTING);
                Frame::Fail { stream: 0, status: Status::new(Code::DONE, "") }.encode(out);
                Done::Yes
            }
            Job::Ping => {
                if let Some(ping) = &mut self.ping {
                    ping.given = true;
                    Frame::Ping(ping.payload).encode(out);
                }
                Done::Yes
            }
        }
    }

    fn hello_frame(&self) -> Frame {
        Frame::Hello(Hello {
            version: 1,
            max_item: self.opt.max_item,
            streams: self.opt.streams,
            items: self.opt.items,
            bytes: self.opt.bytes,
            metadata: self.opt.metadata.clone(),
        })
    }

    /// OPEN, items, last word: as much as fits and as the stream's turn allows.
    fn run_stream(&mut self, number: u32, out: &mut BytesMut) -> Done {
        let Some(s) = self.own.get_mut(&number) else { return Done::Yes };
        if !s.opened {
            let frame = Frame::Open { stream: number, kind: s.kind, metadata: s.metadata.clone() };
            if !fits(out, frame.size()) {
                return Done::Full;
            }
            frame.encode(out);
            s.opened = true;
            s.metadata = Bytes::new();
            self.unopened -= 1;
            if let Kind::Answer(call) = s.kind {
                if let Some(call) = self.theirs.get_mut(&call) {
                    call.answered = true;
                    self.unanswered -= 1;
                }
            }
        }
        let mut turn = TURN;
        while let Some(item) = s.queue.front() {
            if !fits(out, HEADER + item.len()) {
                return Done::Full;
            }
            if turn == 0 {
                return Done::More;
            }
            turn = turn.saturating_sub(HEADER + item.len());
            s.unsent -= HEADER + item.len();
            let item = s.queue.pop_front().expect("BUG: it was there");
            Frame::Data { stream: number, item }.encode(out);
            self.wakers.extend(s.writer.take());
        }
        if let Some(last) = s.last.as_ref().filter(|_| !s.said) {
            let frame = match last {
                Last::End => Frame::End { stream: number },
                Last::Fail(status) => Frame::Fail { stream: number, status: status.clone() },
            };
            if !fits(out, frame.size()) {
                return Done::Full;
            }
            frame.encode(out);
            s.said = true;
        }
        s.queued = false;
        self.wakers.extend(s.writer.take());
        if s.is_dead() {
            self.own_death(number);
        }
        Done::Yes
    }

    /// What was granted counts from here on: DATA is checked against it.
    fn run_request(&mut self, number: u32, out: &mut BytesMut) -> Done {
        let Some(s) = self.theirs.get_mut(&number) else { return Done::Yes };
        if !fits(out, HEADER + 16) {
            return Done::Full;
        }
        s.request_queued = false;
        let (items, bytes) = (s.plan_items.min(MAX_TOTAL), s.plan_bytes.min(MAX_TOTAL));
        let news = items > s.items || bytes > s.bytes;
        if news && s.said.is_none() && s.close.is_none() {
            s.items = items;
            s.bytes = bytes;
            Frame::Request { stream: number, items, bytes }.encode(out);
        }
        Done::Yes
    }

    fn run_close(&mut self, number: u32, out: &mut BytesMut) -> Done {
        let Some(s) = self.theirs.get_mut(&number) else { return Done::Yes };
        let status = s.close.clone().expect("BUG: CLOSE without a status");
        let frame = Frame::Close { stream: number, status };
        if !fits(out, frame.size()) {
            return Done::Full;
        }
        frame.encode(out);
        s.closed = true;
        if s.kind == Kind::Call && !s.answered {
            self.unanswered -= 1;
        }
        if s.is_dead() {
            self.their_death(number);
        }
        Done::Yes
    }
}

/// One frame fits always, since it was measured before; together they stay
/// within what every peer takes.
fn fits(out: &BytesMut, len: usize) -> bool {
    out.is_empty() || out.len() + len <= MESSAGE
}

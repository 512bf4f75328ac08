//! What comes in: one message at a time, each frame against rules 0 to 12.

use bytes::Bytes;

use super::state::{Last, Their};
use super::{Engine, Job, Phase};
use crate::error::{Code, Loss, Status};
use crate::frame::{self, Frame, Hello, Kind, MAX_TOTAL, fault};

impl Engine {
    /// Takes one message from the transport. Reading never waits for anything:
    /// what may arrive was granted and has its place.
    pub(crate) fn receive(&mut self, message: Bytes) {
        if self.phase != Phase::Running {
            return; // read and dropped (rule 10)
        }
        match self.receive_frames(message) {
            Ok(()) => self.step(),
            Err(status) => self.stop(status),
        }
    }

    fn receive_frames(&mut self, mut message: Bytes) -> Result<(), Status> {
        if message.is_empty() {
            return Err(fault(Code::PROTOCOL, "rule 0: empty message"));
        }
        if message.len() > self.opt.message_limit() {
            return Err(fault(Code::TOO_LARGE, "rule 9: too long"));
        }
        while !message.is_empty() && self.phase == Phase::Running {
            let frame = frame::decode(&mut message, self.opt.max_item, self.peer.is_none())?;
            self.receive_frame(frame)?;
        }
        Ok(())
    }

    fn receive_frame(&mut self, frame: Frame) -> Result<(), Status> {
        if let Frame::Pong(payload) = &frame {
            if !self.ping.as_ref().is_some_and(|ping| ping.given && ping.payload == *payload) {
                return Ok(()); // nobody asked: it proves nothing
            }
        }
        self.heard_at = self.now;
        match frame {
            Frame::Hello(hello) => self.hello(hello),
            Frame::Open { stream, kind, metadata } => self.opened(stream, kind, metadata),
            Frame::Data { stream, item } => self.data(stream, item),
            Frame::End { stream: 0 } => self.session_end(),
            Frame::End { stream } => self.last_word(stream, Last::End),
            Frame::Fail { stream: 0, status } => {
                self.session_fail(status);
                Ok(())
            }
            Frame::Fail { stream, status } => self.last_word(stream, Last::Fail(status)),
            Frame::Request { stream, items, bytes } => self.request_came(stream, items, bytes),
            Frame::Close { stream: 0, status } => self.session_close(status),
            Frame::Close { stream, status } => self.close_came(stream, status),
            Frame::Ping(payload) => {
                self.pong = Some(payload); // the newest wins: a flood of PINGs is one PONG
                Ok(())
            }
            Frame::Pong(_) => {
                self.ping = None;
                Ok(())
            }
            Frame::Ignored { .. } => Ok(()),
        }
    }

    fn hello(&mut self, hello: Hello) -> Result<(), Status> {
        if self.peer.is_some() {
            return Err(fault(Code::PROTOCOL, "rule 1: second hello"));
        }
        self.peer = Some(Hello { metadata: own(&hello.metadata), ..hello });
        self.wake_watchers();
        Ok(())
    }

    fn opened(&mut self, stream: u32, kind: Kind, metadata: Bytes) -> Result<(), Status> {
        if self.heard_end {
            return Err(fault(Code::PROTOCOL, "rule 12: open after end"));
        }
        if u64::from(stream) != self.peer_next {
            return Err(fault(Code::PROTOCOL, "rule 0: stream number out of turn"));
        }
        let mut given_up = false;
        if let Kind::Answer(call) = kind {
            let no_call = || fault(Code::PROTOCOL, "rule 6: no such call to answer");
            let call = self.own.get_mut(&call).ok_or_else(no_call)?;
            if !call.opened || call.kind != Kind::Call || call.closed.is_some() || call.answer.is_some() {
                return Err(no_call());
            }
            call.answer = Some(stream);
            given_up = call.given_up;
            self.wakers.extend(call.caller.take());
        } else {
            if self.their_slots >= self.opt.streams as usize {
                return Err(fault(Code::NO_CREDIT, "rule 5: too many streams"));
            }
            self.their_slots += 1;
        }
        self.peer_next += 1;
        self.their_alive += 1;
        self.unanswered += usize::from(kind == Kind::Call);
        self.theirs.insert(stream, self.new_stream(kind, own(&metadata)));
        if given_up {
            self.close(stream, Status::new(Code::CANCELED, "the caller has given up"));
            self.drop_reader(stream);
        } else if kind == Kind::Call && self.said_end {
            // No answer can come any more (rule 12).
            self.close(stream, Status::new(Code::SHUTTING_DOWN, "shutting down"));
            self.drop_reader(stream);
        } else if !matches!(kind, Kind::Answer(_)) {
            self.incoming.push_back(stream);
            self.wake_watchers();
        }
        Ok(())
    }

    fn new_stream(&self, kind: Kind, metadata: Bytes) -> Their {
        let (items, bytes) = (self.opt.items.into(), self.opt.bytes.into());
        Their {
            kind,
            metadata,
            items,
            bytes,
            plan_items: items,
            plan_bytes: bytes,
            request_queued: false,
            got: 0,
            got_bytes: 0,
            taken: 0,
            taken_bytes: 0,
            wanted: 0,
            reading: false,
            buffer: Default::default(),
            said: None,
            finished: false,
            close: None,
            closed: false,
            answer: None,
            answered: false,
            held: true,
            reader: None,
        }
    }

    /// The peer's stream of this number, if its opener may still speak (rule 8).
    fn speaking(&mut self, stream: u32) -> Result<&mut Their, Status> {
        match self.theirs.get_mut(&stream) {
            Some(s) if s.said.is_none() => Ok(s),
            Some(s) if !s.closed => Err(fault(Code::PROTOCOL, "rule 8: after the last word")),
            _ => Err(fault(Code::PROTOCOL, "rule 8: no such stream")),
        }
    }

    fn data(&mut self, stream: u32, item: Bytes) -> Result<(), Status> {
        let s = self.speaking(stream)?;
        let len = item.len() as u64;
        if s.got + 1 > s.items || s.got_bytes + len > s.bytes {
            return Err(fault(Code::NO_CREDIT, "rule 4: no credit"));
        }
        s.got += 1;
        s.got_bytes += len;
        if s.close.is_none() {
            s.buffer.push_back(own(&item));
            let reader = s.reader.take();
            self.wakers.extend(reader);
        }
        Ok(())
    }

    fn last_word(&mut self, stream: u32, last: Last) -> Result<(), Status> {
        let s = self.speaking(stream)?;
        s.said = Some(last);
        let reader = s.reader.take();
        let closed = s.closed;
        self.wakers.extend(reader);
        if closed {
            self.their_death(stream);
        }
        Ok(())
    }

    fn request_came(&mut self, stream: u32, items: u64, bytes: u64) -> Result<(), Status> {
        debug_assert!(items <= MAX_TOTAL && bytes <= MAX_TOTAL);
        match self.own.get_mut(&stream) {
            Some(s) if s.opened && s.closed.is_none() => {
                s.items = s.items.max(items);
                s.bytes = s.bytes.max(bytes);
                let writer = s.writer.take();
                self.wakers.extend(writer);
                Ok(())
            }
            _ => Err(fault(Code::PROTOCOL, "rule 8: no such stream")),
        }
    }

    fn close_came(&mut self, stream: u32, status: Status) -> Result<(), Status> {
        let s = match self.own.get_mut(&stream) {
            Some(s) if s.opened && s.closed.is_none() => s,
            Some(s) if !s.is_dead() && s.opened => {
                return Err(fault(Code::PROTOCOL, "rule 8: after the last word"));
            }
            _ => return Err(fault(Code::PROTOCOL, "rule 8: no such stream")),
        };
        let answered = s.kind != Kind::Call || s.answer.is_some();
        if status.code == Code::DONE && !(s.said && answered) {
            return Err(fault(Code::PROTOCOL, "rule 7: close 0 too early"));
        }
        let code = status.code;
        s.closed = Some(status);
        let said = s.said;
        if !said {
            s.queue.clear();
            s.unsent = 0;
            s.last = Some(Last::Fail(Status::new(code, "")));
        }
        let wakers = [s.writer.take(), s.caller.take()];
        self.wakers.extend(wakers.into_iter().flatten());
        if said {
            self.own_death(stream);
        } else {
            self.speak(stream);
        }
        Ok(())
    }

    // ---- the words on stream 0 (rule 12)

    fn session_end(&mut self) -> Result<(), Status> {
        if self.heard_end {
            return Err(fault(Code::PROTOCOL, "rule 12: said twice"));
        }
        self.heard_end = true;
        self.fail_waiting();
        self.wake_watchers();
        Ok(())
    }

    fn session_close(&mut self, status: Status) -> Result<(), Status> {
        if self.heard_close.is_some() || self.heard_end {
            return Err(fault(Code::PROTOCOL, "rule 12: said twice"));
        }
        self.heard_close = Some(status);
        self.fail_waiting();
        Ok(())
    }

    /// FAIL on 0: a goodbye if nothing is left, else what lives is lost.
    fn session_fail(&mut self, status: Status) {
        let goodbye = status.code == Code::DONE && self.done();
        let owed = goodbye && !self.said_bye;
        self.lose(if goodbye { Ok(()) } else { Err(Loss::ByPeer(status)) });
        if owed {
            self.bye_queued = true;
            self.jobs.push_back(Job::Goodbye);
        }
        if owed || (goodbye && self.sending_since.is_some()) {
            self.phase = Phase::Parting;
            self.close_at = Some(self.now + super::times::LINGER);
        } else {
            self.phase = Phase::Over;
        }
    }
}

/// What is kept of a message is copied out of it: a slow reader would hold on to
/// the memory of all that came with it, which nobody has granted (rule 3).
fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

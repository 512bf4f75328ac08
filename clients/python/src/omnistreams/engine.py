"""One side of the protocol as a pure state machine: no I/O, no task, no clock.

    calls of the application --> Outbound, Inbound --pack--> messages
                    signals  <--receive--  messages

Whoever drives it tells the time, hands messages to receive, sends what pack
returns, and closes the transport when `closable` says so. What a frame says of
credit, slots and ends takes effect here when pack puts it into a message: just
before the transport gets it (SPEC.md, rule 2).
"""

from __future__ import annotations

from collections import deque
from typing import Callable

from . import frames
from .clock import Clock, Times
from .errors import Code, OmniError, ProtocolError, SessionLost, StreamError, TooLarge, broken
from .inbound import Inbound
from .outbound import Outbound
from .parts import Parts
from .receiver import Receiver
from .shutdown import Shutdown
from .signals import Signal


class Engine:
    """The state of one session."""

    def __init__(
        self,
        hello: frames.Hello,
        *,
        prefetch: int = 0,
        window: int = 0,
        times: Times | None = None,
        clock: Callable[[], float] = lambda: 0.0,
        first_number: int = 1,
    ) -> None:
        """Set up a side with its HELLO.

        prefetch is how many items are kept asked for on every stream once its
        reader has begun, 0 means one whenever a reader waits. window is how
        many bytes they are granted ahead of what was taken; it is never less
        than max_item. first_number is a hook for tests.
        """
        self.hello = hello
        self.prefetch = prefetch
        self.window = max(window, hello.max_item)
        self.clock = clock
        self.time = Clock(times or Times(), clock())
        self.changed = Signal()  # of the session as a whole

        self.peer: frames.Hello | None = None
        self.own: dict[int, Outbound] = {}
        self.theirs: dict[int, Inbound] = {}
        self.own_next = first_number
        self.their_next = 1
        self.own_slots = 0  # of the peer's streams in use by this side
        self.their_slots = 0
        self.unnumbered = 0  # admitted streams whose OPEN is not given
        self.waiting: deque[Outbound] = deque()  # for a slot
        self.accepts: deque[Inbound] = deque()  # not handed to the application
        self.shutdown = Shutdown(self)
        self.receiver = Receiver(self)

        # What waits to be packed: state that is due, never a queue that grows.
        self.sending: deque[Outbound] = deque()
        self.replies: dict[Inbound, None] = {}
        self._said_hello = False
        self._crowded = False  # control left no room for the next item

        self.over = False  # no stream lives any more
        self.error: OmniError | None = None  # why; None after a clean end
        self.farewell: frames.Fail | None = None  # our FAIL on 0
        self.said_farewell = False
        self.peer_gone = False  # the peer's FAIL on 0 came, or the transport ended

    # What the application does.

    def open(self, kind: int, metadata: bytes) -> Outbound:
        """Begin a one-way stream or a call; it waits until it is admitted."""
        metadata = _checked(metadata)
        error = self._open_error(kind)
        if error is not None:
            raise error
        stream = Outbound(self, kind, metadata)
        self.waiting.append(stream)
        self.admit()
        return stream

    def _open_error(self, kind: int) -> OmniError | None:
        s = self.shutdown
        if self.over and (self.error is not None or s.open_error is None):
            return self.lost()
        if s.open_error is not None:
            return s.open_error.with_traceback(None)
        if kind == frames.CALL and s.heard_end:
            return StreamError(Code.SHUTTING_DOWN, "the peer gives no more answers")
        return None

    def leave(self, stream: Outbound) -> None:
        """Forget a stream that waits for its slot: nothing is sent."""
        if stream in self.waiting:
            self.waiting.remove(stream)
            stream.unopened(StreamError(Code.CANCELED, "left before it was opened"))
        else:
            stream.give_up(Code.CANCELED, "")

    def reply(self, call: Inbound, metadata: bytes) -> Outbound:
        """Open the answer to a call. It needs no slot."""
        metadata = _checked(metadata)
        if call.kind != frames.CALL:
            raise RuntimeError("a one-way stream cannot be answered")
        if call.reply is not None:
            raise RuntimeError("the call was answered before")
        if self.over:
            raise self.lost()
        if call.refused or call.closed:
            raise call.error or StreamError(Code.CANCELED, "the call was closed without an answer")
        if self.numbers_left() <= 0:
            raise StreamError(Code.NO_CREDIT, "the stream numbers ran out")
        stream = call.reply = Outbound(self, frames.ANSWER, metadata, call)
        self._begin(stream)
        return stream

    def accept(self) -> Inbound | None:
        """Return the next stream that the peer opened, None if none is here."""
        return self.accepts.popleft() if self.accepts else None

    def no_more_accepts(self) -> bool:
        """Say whether accept will never have anything again."""
        return self.over or (not self.accepts and (self.shutdown.want_close or self.shutdown.heard_end))

    def receive(self, message: bytes) -> None:
        """Take one message of the peer. A rule that it breaks ends the session."""
        self.receiver.receive(message)

    # Opening.

    def admit(self) -> None:
        """Give slots to those who wait, in turn."""
        while self.waiting and self.peer is not None and self.own_slots < self.peer.streams:
            if self.numbers_left() <= 0:
                return
            stream = self.waiting.popleft()
            self.own_slots += 1
            self._begin(stream)
            stream.changed.fire()

    def _begin(self, stream: Outbound) -> None:
        assert self.peer is not None
        stream.admitted = True
        stream.granted_items, stream.granted_bytes = self.peer.items, self.peer.nbytes
        self.unnumbered += 1
        stream.enqueue()

    def numbers_left(self) -> int:
        """Return how many streams this side can still open."""
        return frames.MAX_NUMBER + 1 - self.own_next - self.unnumbered

    def take_number(self, stream: Outbound) -> int:
        """Number a stream whose OPEN is being given to the transport."""
        number = self.own_next
        self.own_next += 1
        self.unnumbered -= 1
        self.own[number] = stream
        if self.own_next > frames.MAX_NUMBER:
            self._exhaust()
        return number

    def _exhaust(self) -> None:
        """End the opening of streams: the numbers ran out (rule 13)."""
        self.shutdown.want_end = True
        self.stop_opening(StreamError(Code.NO_CREDIT, "the stream numbers ran out"), unopened=False)
        for call in list(self.theirs.values()):
            if call.may_answer():
                call.refuse(Code.REFUSED, "the stream numbers ran out")
        self.accepts = deque(s for s in self.accepts if not s.refused)

    def free_own_slot(self) -> None:
        """Note that the peer has one more slot for this side."""
        self.own_slots -= 1
        self.admit()

    def stop_opening(self, error: StreamError, *, unopened: bool) -> None:
        """Fail the opens that wait, and those to come.

        With unopened also those that have a slot but were not given to the
        transport, answers apart.
        """
        self.shutdown.open_error = self.shutdown.open_error or error
        dropped = list(self.waiting)
        self.waiting.clear()
        if unopened:
            early = [s for s in self.sending if s.number == 0 and s.kind != frames.ANSWER]
            self.unnumbered -= len(early)
            self.sending = deque(s for s in self.sending if s not in early)
            dropped += early
        for stream in dropped:
            stream.unopened(error)

    def fail_calls(self, error: StreamError) -> None:
        """Fail this side's calls that have no answer: none can come."""
        waiting = [s for s in self.waiting if s.kind == frames.CALL]
        self.waiting = deque(s for s in self.waiting if s.kind != frames.CALL)
        for stream in waiting:
            stream.unopened(error)
        for stream in [*self.own.values(), *self.sending]:
            if stream.kind == frames.CALL and stream.answer is None:
                stream.answerless(error)
                stream.fail(error.code, error.reason)

    # The end.

    def goodbye(self) -> None:
        """End cleanly: FAIL on 0 with code 0 goes out."""
        if not self.over:
            self.farewell = frames.Fail(0, 0, "")
            self._close_within(self.time.times.goodbye)
            self.finish(None)

    def fail(self, error: OmniError) -> None:
        """End because of a rule that was broken, or another reason of ours:
        FAIL on 0 goes out, then nothing."""
        if not self.over:
            self.farewell = frames.Fail(0, error.code or Code.INTERNAL, error.reason)
            self._close_within(self.time.times.linger)
            self.finish(error)

    def cut(self, why: str = "the connection was cut") -> None:
        """Note that the transport has ended."""
        self.peer_gone = True
        self.said_farewell = True  # nothing goes out any more
        # When both have said END on 0 and nothing lives, nothing is lost.
        self.finish(None if self.shutdown.done() else SessionLost(Code.INTERNAL, why))

    def _close_within(self, seconds: float) -> None:
        self.time.close_by = self.clock() + seconds

    def finish(self, error: OmniError | None) -> None:
        """End all streams and all who wait. Only the first call counts."""
        if self.over:
            return
        self.over, self.error = True, error
        lost = self.lost()
        for out in [*self.own.values(), *self.sending, *self.waiting]:
            out.lose(lost)
        for stream in list(self.theirs.values()):
            stream.lose(lost)
        self.waiting.clear()
        self.sending.clear()
        self.replies.clear()
        self.accepts.clear()
        self.changed.fire()

    def lost(self) -> SessionLost:
        """Make the error of a stream that lived when the session ended."""
        if self.error is None:
            return SessionLost(Code.INTERNAL, "the session is over")
        code = self.error.code
        # These two would promise that trying again is safe.
        if code in (Code.REFUSED, Code.SHUTTING_DOWN):
            code = Code.INTERNAL
        lost = SessionLost(code, f"session lost: {self.error.reason}")
        lost.__cause__ = self.error
        return lost

    def tick(self, begun: float | None = None) -> float:
        """Look at the clock; return when to do so again.

        begun is since when a message has been under way that is not complete.
        """
        now, time = self.clock(), self.time
        if not self.over:
            late = time.tick(now)
            if late == "hello":
                self.fail(broken(1, Code.TIMED_OUT, "hello timed out"))
            elif late == "pong":
                self.fail(broken(11, Code.TIMED_OUT, "keepalive timed out"))
            elif late == "write":
                self.fail(broken(11, Code.TIMED_OUT, "the peer did not read"))
            elif begun is not None and now >= begun + time.times.message:
                self.fail(broken(0, Code.TIMED_OUT, "message timed out"))
        if self.over:
            return time.close_by if time.close_by is not None else now
        # A message may begin at any moment, and the peer may stop to read, so
        # look in before the time for it is up.
        look_in = now + min(time.times.message, time.times.write) / 2
        return min(time.next(), look_in, (now if begun is None else begun) + time.times.message)

    @property
    def closable(self) -> bool:
        """Whether the transport is to be closed now."""
        if not self.over:
            return False
        if self.peer_gone and (self.said_farewell or self.farewell is None):
            return True
        return self.time.close_by is not None and self.clock() >= self.time.close_by

    # Packing.

    def pack(self) -> bytes | None:
        """Return the next message, None if nothing is due. What it says takes
        effect now, so it has to be given to the transport at once."""
        if self.said_farewell:
            return None
        parts = Parts()
        if not self._said_hello:
            self._said_hello = True
            parts.add(self.hello)
        if not self.over:
            self._pack_frames(parts)
        if self.farewell is not None and not parts.full:
            self.said_farewell = True
            parts.add(self.farewell)
        return parts.message()

    def _pack_frames(self, parts: Parts) -> None:
        """Pack control first, then the streams in turn."""
        # If control left no room for an item, this message begins with it:
        # control that comes all the time would keep it waiting for ever.
        alone, self._crowded = self._crowded and bool(self.sending), False
        if not alone:
            self._pack_pings(parts)
            if self.peer is None:
                return
            self.shutdown.pack_close(parts)
            self._pack_replies(parts)
        self._pack_streams(parts)
        self._pack_replies(parts)  # CLOSE of calls that were just answered
        if not parts.full:
            self.shutdown.pack_close(parts)
            self.shutdown.pack_end(parts)

    def _pack_pings(self, parts: Parts) -> None:
        if self.time.pong is not None:
            parts.add(frames.Pong(self.time.pong))
            self.time.pong = None
        ping = self.time.take_ping(self.clock())
        if ping is not None:
            parts.add(ping)

    def _pack_replies(self, parts: Parts) -> None:
        """Pack REQUEST and CLOSE, in at most half of the message."""
        while self.replies and parts.size < frames.MIN_MESSAGE // 2:
            stream = next(iter(self.replies))
            del self.replies[stream]
            stream.pack_reply(parts)

    def _pack_streams(self, parts: Parts) -> None:
        """Pack a turn of each stream, and again, until the message is full."""
        before = parts.size
        while self.sending:
            stream = self.sending.popleft()
            stream.in_line = False
            if not stream.pack(parts):
                stream.in_line = True
                self.sending.appendleft(stream)
                self._crowded = before > 0 and parts.size == before
                return
            if stream.pending():
                stream.enqueue()


def _checked(metadata: bytes) -> bytes:
    metadata = frames.as_bytes(metadata)
    if len(metadata) > frames.MAX_METADATA:
        raise TooLarge(len(metadata), frames.MAX_METADATA)
    return metadata

"""What the peer says: messages are cut into frames, and each frame is checked
and taken (SPEC.md, rule 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import frames
from .errors import Code, ProtocolError, SessionLost, StreamError, broken
from .inbound import Inbound
from .outbound import Outbound

if TYPE_CHECKING:
    from .engine import Engine


class Receiver:
    """Changes an engine's state by the frames that come."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def receive(self, message: bytes) -> None:
        """Take one message. A rule that it breaks ends the session; the
        frames before the bad one count."""
        if self.engine.over:
            self._receive_late(message)
            return
        try:
            if not message:
                raise broken(0, Code.PROTOCOL, "empty message")
            limit = frames.message_limit(self.engine.hello.max_item)
            if len(message) > limit:
                raise broken(9, Code.TOO_LARGE, f"too long: a message of {len(message)} bytes, the limit is {limit}")
            self._receive_frames(message)
        except ProtocolError as error:
            self.engine.fail(error)

    def _receive_frames(self, message: bytes) -> None:
        engine, max_item, whole = self.engine, self.engine.hello.max_item, len(message)
        now = engine.clock()
        at = 0
        while at < whole and not engine.peer_gone:
            # Items are most of what comes: those in good form take a short way.
            if engine.peer is not None and whole - at >= frames.HEADER_SIZE:
                type_, number, length = frames.HEADER.unpack_from(message, at)
                end = at + frames.HEADER_SIZE + length
                if type_ == frames.DATA and number and length <= max_item and end <= whole:
                    self._their(number).data(message[at + frames.HEADER_SIZE : end])
                    engine.time.alive(now)
                    at = end
                    continue
            frame, at = frames.decode(message, at, max_item, first=engine.peer is None)
            self.handle(frame, now)

    def _receive_late(self, message: bytes) -> None:
        """Drop a message after the end, but for the peer's own FAIL on 0."""
        at = 0
        try:
            while at < len(message):
                frame, at = frames.decode(message, at, frames.MAX_ITEM, first=False)
                if isinstance(frame, frames.Fail) and frame.stream == 0:
                    self.engine.peer_gone = True
        except ProtocolError:
            pass  # nobody is left to be told

    def handle(self, f: frames.Frame, now: float) -> None:
        """Take one frame whose form is in order: number, then credit (rule 9)."""
        if isinstance(f, frames.Data):
            self._their(f.stream).data(f.item)
        elif isinstance(f, frames.Request):
            self._own(f.stream).grant(f.items, f.nbytes)
        elif isinstance(f, frames.Open):
            self._on_open(f)
        elif isinstance(f, frames.End):
            if f.stream == 0:
                self.engine.shutdown.hear_end()
            else:
                self._their(f.stream).last_word(None)
        elif isinstance(f, frames.Fail):
            if f.stream == 0:
                self._on_farewell(f)
            else:
                self._their(f.stream).last_word(StreamError(f.code, f.reason, remote=True))
        elif isinstance(f, frames.Close):
            self._on_close(f)
        elif isinstance(f, frames.Pong):
            self.engine.time.hear_pong(f.payload, now)
            return  # a PONG that nobody asked for is no sign of life
        elif isinstance(f, frames.Ping):
            self.engine.time.pong = f.payload
        elif isinstance(f, frames.Hello):
            self._on_hello(f)
        self.engine.time.alive(now)

    def _their(self, number: int) -> Inbound:
        stream = self.engine.theirs.get(number)
        if stream is None:
            raise broken(8, Code.PROTOCOL, f"no such stream: {number}")
        if stream.said:
            raise broken(8, Code.PROTOCOL, f"after the last word on stream {number}")
        return stream

    def _own(self, number: int) -> Outbound:
        stream = self.engine.own.get(number)
        if stream is None:
            raise broken(8, Code.PROTOCOL, f"no such stream: {number}")
        if stream.closed:
            raise broken(8, Code.PROTOCOL, f"after the last word on stream {number}")
        return stream

    def _on_hello(self, f: frames.Hello) -> None:
        if self.engine.peer is not None:
            raise broken(1, Code.PROTOCOL, "second hello")
        self.engine.peer = f
        self.engine.time.hello_by = None
        self.engine.admit()
        self.engine.changed.fire()

    def _on_open(self, f: frames.Open) -> None:
        if self.engine.shutdown.heard_end:
            raise broken(12, Code.PROTOCOL, "open after end")
        if f.stream != self.engine.their_next:
            raise broken(0, Code.PROTOCOL, f"stream number out of turn: {f.stream}, {self.engine.their_next} is next")
        stream = Inbound(self.engine, f.stream, f.kind, f.metadata)
        if f.kind == frames.ANSWER:
            self._on_answer(f, stream)
            return
        if self.engine.their_slots >= self.engine.hello.streams:
            raise broken(5, Code.NO_CREDIT, f"too many streams: {self.engine.hello.streams} may live")
        self.engine.their_next += 1
        self.engine.their_slots += 1
        self.engine.theirs[f.stream] = stream
        if self.engine.shutdown.refuses(f.kind):
            stream.refuse(Code.SHUTTING_DOWN, "the session is shutting down")
        elif f.kind == frames.CALL and self.engine.numbers_left() <= 0:
            stream.refuse(Code.REFUSED, "the stream numbers ran out")
        else:
            self.engine.accepts.append(stream)
            self.engine.changed.fire()

    def _on_answer(self, f: frames.Open, stream: Inbound) -> None:
        call = self.engine.own.get(f.answers)
        if call is None or call.kind != frames.CALL or call.closed or call.answer is not None:
            raise broken(6, Code.PROTOCOL, f"no such call to answer: {f.answers}")
        self.engine.their_next += 1
        self.engine.theirs[f.stream] = stream
        call.answer, stream.call = stream, call
        if call.given_up or call.no_answer is not None:
            stream.cancel(Code.CANCELED, "the caller has given up")
        call.changed.fire()

    def _on_close(self, f: frames.Close) -> None:
        if f.stream == 0:
            self.engine.shutdown.hear_close(f.code, f.reason)
            return
        stream = self._own(f.stream)
        unanswered = stream.kind == frames.CALL and stream.answer is None
        if f.code == 0 and (not stream.said or unanswered):
            raise broken(7, Code.PROTOCOL, f"close 0 too early on stream {f.stream}")
        stream.close(f.code, f.reason)

    def _on_farewell(self, f: frames.Fail) -> None:
        """Take the peer's FAIL on 0: nothing of it is looked at after that."""
        self.engine.peer_gone = True
        if f.code == 0 and self.engine.shutdown.done():
            self.engine.goodbye()
        elif f.code == 0:
            self.engine.finish(SessionLost(Code.INTERNAL, "the peer said goodbye too early"))
        elif f.code in (Code.PROTOCOL, Code.NO_CREDIT, Code.TOO_LARGE, Code.TIMED_OUT, Code.VERSION):
            self.engine.finish(ProtocolError(f.code, f.reason, remote=True))
        else:
            self.engine.finish(SessionLost(f.code, f.reason))

"""The opener's half of a stream: what this side writes (SPEC.md, rule 7).

    write --> queue of items --> pack --> messages
    changed <-- REQUEST, CLOSE of the peer
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from . import frames
from .errors import OmniError, SessionLost, StreamError, TooLarge
from .signals import Signal

if TYPE_CHECKING:
    from .engine import Engine
    from .inbound import Inbound
    from .parts import Parts

# How many bytes of a stream may wait for the transport. A peer may grant
# without bounds and then not read: its writer must wait for the transport too.
MAX_QUEUED = 64 << 10
# How many bytes a stream may add to a message before it is the next one's turn.
TURN = 16 << 10


class Outbound:
    """A stream that this side opened, or waits to open."""

    def __init__(self, engine: Engine, kind: int, metadata: bytes, answers: Inbound | None = None) -> None:
        self.engine = engine
        self.kind = kind
        self.metadata = metadata
        self.answers = answers  # the peer's call, if this is an answer
        self.changed = Signal()

        self.admitted = False  # it has a slot, and credit from HELLO
        self.number = 0  # until OPEN is given to the transport
        self.granted_items = self.granted_bytes = 0
        self.sent_items = self.sent_bytes = 0
        self.queue: deque[bytes] = deque()
        self.queued = 0  # bytes in it, headers included
        self.in_line = False  # for its turn to be packed

        self.last: frames.End | frames.Fail | None = None  # the last word, perhaps queued
        self.said = False  # it was given to the transport
        self.closed = False  # the peer's CLOSE came
        self.finished = False  # for the writer
        self.error: OmniError | None = None  # how; None if all was taken

        # Of a call:
        self.answer: Inbound | None = None
        self.no_answer: OmniError | None = None  # why none will come
        self.given_up = False  # close the answer when it comes

    @property
    def dead(self) -> bool:
        """Whether both sides have said their last word."""
        return self.said and self.closed

    # What the application does.

    def may_write(self, size: int) -> bool:
        """Say whether an item of this size can be accepted now.

        Raises what stands against it for good: TooLarge, or how the stream
        ended.
        """
        if self.finished or self.last is not None:
            raise self.end_error()
        if self.engine.peer is not None and size > self.engine.peer.max_item:
            raise TooLarge(size, self.engine.peer.max_item)
        return (
            self.sent_items < self.granted_items
            and self.sent_bytes + size <= self.granted_bytes
            and (self.queued == 0 or self.queued + size <= MAX_QUEUED)
        )

    def end_error(self) -> Exception:
        """Make the error for a write after the end."""
        if self.error is not None:
            return self.error.with_traceback(None)
        return RuntimeError("write after end")

    def write(self, item: bytes) -> None:
        """Accept an item; may_write has said yes."""
        self.sent_items += 1
        self.sent_bytes += len(item)
        self.queue.append(item)
        self.queued += frames.HEADER_SIZE + len(item)
        self.enqueue()

    def end(self) -> None:
        """Say END behind the items. Does nothing after a last word."""
        if self.last is None:
            self.last = frames.End(0)
            self.enqueue()
            self.changed.fire()

    def fail(self, code: int, reason: str) -> None:
        """Say FAIL behind the items. Does nothing after a last word."""
        error = StreamError(code, reason)
        if self.last is None:
            self.last = frames.Fail(0, code, reason)
            self.enqueue()
            self.finish(error)

    def give_up(self, code: int, reason: str) -> None:
        """Drop a call: its items are broken off, its answer is not wanted."""
        self.fail(code, reason)
        self.given_up = True
        if self.answer is not None:
            self.answer.cancel(code, reason)
        elif self.no_answer is None:
            self.no_answer = StreamError(code, reason)
            self.changed.fire()

    # What the peer says.

    def grant(self, items: int, nbytes: int) -> None:
        """Take the totals of a REQUEST: each is the largest that came."""
        self.granted_items = max(self.granted_items, items)
        self.granted_bytes = max(self.granted_bytes, nbytes)
        self.changed.fire()

    def close(self, code: int, reason: str) -> None:
        """Take the peer's CLOSE. A code 0 was checked to be in order."""
        self.closed = True
        if code == 0:
            self.finish(None)
        else:
            if not self.said:
                # Unsent items are dropped, and FAIL is the answer even if END
                # was queued: what was not given was not said.
                self.drop()
                self.last = frames.Fail(0, code, "")
                self.enqueue()
            error = StreamError(code, reason, remote=True)
            self.finish(error)
            self.answerless(error)
        self.release()

    # How it ends.

    def finish(self, error: OmniError | None) -> None:
        """Tell the writer how the stream ended. Only the first call counts."""
        if not self.finished:
            self.finished, self.error = True, error
        self.changed.fire()

    def answerless(self, error: OmniError) -> None:
        """Note that no answer will come, if this is a call that has none."""
        if self.kind == frames.CALL and self.answer is None and self.no_answer is None:
            self.no_answer = error
            self.changed.fire()

    def drop(self) -> None:
        """Forget the items that are not sent."""
        self.queue.clear()
        self.queued = 0

    def lose(self, error: SessionLost) -> None:
        """End with the session: nothing more is said."""
        self.drop()
        self.last = self.last or frames.Fail(0, error.code, error.reason)
        self.finish(error)
        self.answerless(error)

    def unopened(self, error: StreamError) -> None:
        """End a stream whose OPEN never goes out."""
        self.drop()
        self.last = frames.Fail(0, error.code, error.reason)  # nothing more is said
        self.said = self.closed = True
        self.finish(error)
        self.answerless(error)
        if self.admitted:
            self.engine.free_own_slot()

    def release(self) -> None:
        """Forget a dead stream and free what it held."""
        if self.dead and self.engine.own.pop(self.number, None) is not None:
            if self.answers is not None:
                self.answers.release_slot()
            else:
                self.release_slot()

    def release_slot(self) -> None:
        """Free the slot when neither the stream nor its answer lives."""
        if self.dead and (self.answer is None or self.answer.dead):
            self.engine.free_own_slot()

    # Packing.

    def enqueue(self) -> None:
        """Get in line to be packed."""
        if not self.in_line:
            self.in_line = True
            self.engine.sending.append(self)

    def pending(self) -> bool:
        """Say whether there is anything to pack."""
        return not self.said and (self.number == 0 or bool(self.queue) or self.last is not None)

    def pack(self, parts: Parts) -> bool:
        """Pack one turn's worth. False: what comes next does not fit."""
        if self.number == 0:
            if not parts.fits(frames.HEADER_SIZE + 5 + len(self.metadata)):
                return False
            self._pack_open(parts)
        stop = parts.size + TURN
        while self.queue and parts.size < stop:
            item = self.queue[0]
            size = frames.HEADER_SIZE + len(item)
            if not parts.fits(size):
                self.changed.fire()
                return False
            self.queue.popleft()
            self.queued -= size
            parts.add_item(self.number, item)
        if self.last is not None and not self.queue and not self.said:
            if not parts.fits(frames.HEADER_SIZE + 4 + frames.MAX_REASON):
                return False
            self._pack_last(parts)
        self.changed.fire()
        return True

    def _pack_open(self, parts: Parts) -> None:
        self.number = self.engine.take_number(self)
        answers = self.answers.number if self.answers is not None else 0
        parts.add(frames.Open(self.number, self.kind, answers, self.metadata))
        if self.answers is not None:
            self.answers.reply_given()

    def _pack_last(self, parts: Parts) -> None:
        self.said = True
        if isinstance(self.last, frames.Fail):
            parts.add(frames.Fail(self.number, self.last.code, self.last.reason))
        else:
            parts.add(frames.End(self.number))
        self.release()

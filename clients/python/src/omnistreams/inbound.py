"""The acceptor's half of a stream: what this side reads (SPEC.md, rules 3, 6, 7).

    messages --> buffer of items --> take
    REQUEST, CLOSE <-- pack_reply <-- schedule, close
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from . import frames
from .errors import Code, OmniError, SessionLost, StreamError, broken
from .signals import Signal

if TYPE_CHECKING:
    from .engine import Engine
    from .outbound import Outbound
    from .parts import Parts

# The most items that are granted ahead of those taken. Empty items cost no
# bytes of credit, but they take memory.
MAX_AHEAD = 1 << 16


class Inbound:
    """A stream that the peer opened."""

    def __init__(self, engine: Engine, number: int, kind: int, metadata: bytes) -> None:
        self.engine = engine
        self.number = number
        self.kind = kind
        self.metadata = metadata
        self.call: Outbound | None = None  # of this side, if this is its answer
        self.reply: Outbound | None = None  # if this is a call: its answer
        self.changed = Signal()

        self.granted_items, self.granted_bytes = engine.hello.items, engine.hello.nbytes
        self.asked = engine.hello.items  # items that the application wants, as a total
        self.got_items = self.got_bytes = 0
        self.taken_items = self.taken_bytes = 0
        self.buffer: deque[bytes] = deque()

        self.said = False  # the peer's END or FAIL came, or the session was lost
        self.failure: OmniError | None = None  # if it was not END
        self.left = False  # the reader came to the end, or wants no more
        self.error: OmniError | None = None  # how; None is a clean end
        self.closing: tuple[int, str] | None = None  # CLOSE is wanted
        self.refused = False  # without an answer, if this is a call
        self.closed = False  # CLOSE was given to the transport
        self.has_slot = kind != frames.ANSWER

    @property
    def dead(self) -> bool:
        """Whether both sides have said their last word."""
        return self.said and self.closed

    # What the peer says.

    def data(self, item: bytes) -> None:
        """Take an item that arrived. It is checked even if nobody reads it."""
        self.got_items += 1
        self.got_bytes += len(item)
        if self.got_items > self.granted_items or self.got_bytes > self.granted_bytes:
            raise broken(4, Code.NO_CREDIT, f"no credit on stream {self.number}")
        if not self.left:
            self.buffer.append(item)
            self.changed.fire()

    def last_word(self, failure: StreamError | None) -> None:
        """Take the peer's last word; failure is None for END."""
        self.said, self.failure = True, failure
        self.changed.fire()
        self.release()

    # What the application does.

    def ready(self) -> bool:
        """Say whether take has an outcome; else the reader waits for changed."""
        return bool(self.buffer) or self.said or self.left

    def take(self) -> bytes | None:
        """Return the next item, None at a clean end; raise any other end."""
        if not self.left and self.buffer:
            item = self.buffer.popleft()
            self.taken_items += 1
            self.taken_bytes += len(item)
            self.asked = max(self.asked, self.taken_items + self.engine.prefetch)
            self.schedule(False)
            return item
        if not self.left:
            self.left, self.error = True, self.failure
            self.want_close(0, "")
        if self.error is not None:
            raise self.error.with_traceback(None)
        return None

    def ask(self) -> None:
        """Ask for an item if none is outstanding: a reader waits."""
        if self.asked <= self.taken_items:
            self.request(max(1, self.engine.prefetch))

    def request(self, items: int) -> None:
        """Ask for more items in the reader's name."""
        self.asked = min(self.asked + items, frames.MAX_TOTAL)
        self.schedule(True)

    def cancel(self, code: int, reason: str) -> None:
        """Stop reading: what is buffered is dropped, the writer is told.

        The CLOSE of a call waits until it is answered or refused.
        """
        error = StreamError(code, reason)
        if not self.left:
            self.left, self.error = True, error
            self.buffer.clear()
            self.want_close(code or Code.INTERNAL, reason)
            self.changed.fire()

    def refuse(self, code: int, reason: str) -> None:
        """Turn the stream down, or leave a call without an answer."""
        error = StreamError(code, reason)
        if self.closed or self.refused or self.reply is not None:
            return
        if self.left and self.kind != frames.CALL:
            return  # the first word counts; after the end it is code 0 (rule 7)
        self.refused = self.kind == frames.CALL
        self.buffer.clear()
        if not self.left:
            self.left, self.error = True, error
        # A reader's earlier word was held back for the answer that now does
        # not come; this one takes its place.
        self.closing = None
        self.want_close(code or Code.INTERNAL, reason)
        self.changed.fire()

    def may_answer(self) -> bool:
        """Say whether this is a call that might still be answered, as rule 12 has
        it: neither its answer's OPEN nor its CLOSE was given to the transport."""
        return self.kind == frames.CALL and not self.closed and (self.reply is None or self.reply.number == 0)

    # Credit.

    def _grants(self) -> tuple[int, int]:
        """Return the totals that a REQUEST would bear now.

        Bytes always reach a whole window ahead, which is at least max_item:
        so rule 3 holds whenever a REQUEST goes out.
        """
        items = min(self.asked, self.taken_items + MAX_AHEAD)
        return items, self.taken_bytes + self.engine.window

    def schedule(self, now: bool) -> None:
        """Queue a REQUEST if it is worth one.

        That is when the application itself asked (now), when the writer may be
        waiting, when half of the window was taken, or when rule 3 demands it.
        Batching like this makes one frame serve many items.
        """
        if self.left or self.said or self.closed:
            return
        items, nbytes = self._grants()
        more_items, more_bytes = items - self.granted_items, nbytes - self.granted_bytes
        if more_items > 0 and (
            now or self.got_items == self.granted_items or more_items * 2 >= items - self.taken_items
        ):
            self.engine.replies[self] = None
        elif items > self.taken_items and (
            self.granted_bytes < self.taken_bytes + self.engine.hello.max_item
            or more_bytes * 2 >= self.engine.window > 0
        ):
            self.engine.replies[self] = None

    # How it ends.

    def want_close(self, code: int, reason: str) -> None:
        """Have CLOSE said as soon as it may be. Only the first call counts."""
        if self.closing is not None or self.closed:
            return
        if self.taken_items > 0 and code in (Code.REFUSED, Code.SHUTTING_DOWN):
            code = Code.CANCELED  # these promise that no item was looked at
        self.closing = code, reason
        self.engine.replies[self] = None

    def reply_given(self) -> None:
        """Note that the answer's OPEN went out: now CLOSE may follow it."""
        if self.closing is not None:
            self.engine.replies[self] = None

    def lose(self, error: SessionLost) -> None:
        """End with the session: what arrived can be read, then the error comes.

        Never the end, even if END is here: its writer will not learn that
        everything was taken.
        """
        self.said, self.failure, self.closed = True, error, True
        self.changed.fire()

    def release(self) -> None:
        """Forget a dead stream and free what it held."""
        if self.dead and self.engine.theirs.pop(self.number, None) is not None:
            if self.call is not None:
                self.call.release_slot()
            self.release_slot()

    def release_slot(self) -> None:
        """Free the slot when neither the stream nor its answer lives."""
        if self.has_slot and self.dead and (self.reply is None or self.reply.dead):
            self.has_slot = False
            self.engine.their_slots -= 1

    # Packing.

    def pack_reply(self, parts: Parts) -> None:
        """Pack the CLOSE or REQUEST that is due, and make it effective."""
        if self.closed:
            return
        if self.closing is not None:
            answered = self.reply is not None and self.reply.number != 0
            if self.kind != frames.CALL or self.refused or answered:
                self.closed = True
                parts.add(frames.Close(self.number, *self.closing))
                self.release()
        elif not self.said:
            items, nbytes = self._grants()
            items, nbytes = max(items, self.granted_items), max(nbytes, self.granted_bytes)
            if (items, nbytes) != (self.granted_items, self.granted_bytes):
                self.granted_items, self.granted_bytes = items, nbytes
                parts.add(frames.Request(self.number, items, nbytes))

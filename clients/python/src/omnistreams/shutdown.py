"""The words on stream 0: how a session ends in good order (SPEC.md, rule 12).

CLOSE on 0 either way, END on 0 both ways, and when no stream lives FAIL on 0
with code 0 both ways: the goodbye.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import frames
from .errors import Code, StreamError, broken, check

if TYPE_CHECKING:
    from .engine import Engine
    from .parts import Parts


class Shutdown:
    """What was said on stream 0, and what is to be said."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.open_error: StreamError | None = None  # what later opens get
        self.want_close = False
        self.reason = ""
        self.said_close = self.heard_close = False
        self.want_end = False
        self.said_end = self.heard_end = False

    def begin(self, reason: str) -> None:
        """Begin the graceful end. Does nothing if it has begun, or all is over."""
        check(Code.SHUTTING_DOWN, reason)
        e = self.engine
        if e.over or self.want_close:
            return
        # Not after END on 0, which says as much.
        self.want_close, self.reason = not self.said_end, reason
        self.want_end = True
        e.stop_opening(StreamError(Code.SHUTTING_DOWN, "the session is shutting down"), unopened=False)
        for stream in e.accepts:
            stream.refuse(Code.SHUTTING_DOWN, "the session is shutting down")
        e.accepts.clear()
        e.changed.fire()

    def refuses(self, kind: int) -> bool:
        """Say whether a new stream of the peer has to be turned away."""
        return self.want_close or self.heard_close or (self.said_end and kind == frames.CALL)

    # What the peer says.

    def hear_close(self, code: int, reason: str) -> None:
        if self.heard_close or self.heard_end:
            raise broken(12, Code.PROTOCOL, "CLOSE on 0 said twice, or after END")
        self.heard_close = self.want_end = True
        error = StreamError(code or Code.SHUTTING_DOWN, reason, remote=True)
        self.engine.stop_opening(error, unopened=True)

    def hear_end(self) -> None:
        if self.heard_end:
            raise broken(12, Code.PROTOCOL, "END on 0 said twice")
        self.heard_end = True
        # No answer can come any more to calls that have none.
        error = StreamError(Code.SHUTTING_DOWN, "the peer opens no more streams, answers included")
        self.engine.fail_calls(error)
        self.engine.changed.fire()

    # What is to be said.

    def _close_due(self) -> bool:
        # It says that this side opens no more, so it goes behind those opens
        # that the application already holds.
        return self.want_close and not self.said_close and self.engine.unnumbered == 0

    def _end_due(self) -> bool:
        if not self.want_end or self.said_end or self.engine.unnumbered > 0:
            return False
        if self.want_close and not self.said_close:
            return False
        return not any(stream.may_answer() for stream in self.engine.theirs.values())

    def done(self) -> bool:
        """Say whether nothing is left but the goodbye."""
        e = self.engine
        return self.said_end and self.heard_end and not e.own and not e.theirs and e.unnumbered == 0

    def pack_close(self, parts: Parts) -> None:
        if self._close_due():
            self.said_close = True
            parts.add(frames.Close(0, Code.SHUTTING_DOWN, self.reason))

    def pack_end(self, parts: Parts) -> None:
        if self._end_due():
            self.said_end = True
            parts.add(frames.End(0))
        if self.done() and not self.engine.over:
            self.engine.goodbye()

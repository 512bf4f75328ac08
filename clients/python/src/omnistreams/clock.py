"""What must happen in time: HELLO, signs of life, whole messages, the end.

Pure like the engine: it is told the time, in seconds of any clock that only
goes forward, and says when it wants to be told next.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from . import frames


@dataclass(frozen=True)
class Times:
    """All in seconds."""

    hello: float = 10.0  # how long the peer's HELLO may take
    keepalive: float = 15.0  # silence before a PING
    keepalive_timeout: float = 15.0  # and after it, until the peer is given up
    message: float = 30.0  # how long one message may take to come, from its first byte
    linger: float = 1.0  # from FAIL on 0 to the closed transport
    goodbye: float = 5.0  # the same after the goodbye, for the peer's
    write: float = 30.0  # how long the peer may read nothing of what is sent to it; it is
    # noticed up to half of that later


class Clock:
    """The times of one session."""

    def __init__(self, times: Times, now: float) -> None:
        self.times = times
        self.hello_by: float | None = now + times.hello
        self.heard = now  # the last sign of life
        self.pinged: float | None = None  # since when a PING is unanswered
        self.pings = 0
        self.ping_due = False
        self.pong: bytes | None = None  # owed to the peer: the newest PING only
        self.close_by: float | None = None  # when the transport is closed, at the latest
        self.moved = 0  # how much the peer has read, as far as is known
        self.stuck: float | None = None  # since when it has read no more, though more waits
        self.ping_ends: int | None = None  # how much it has read once it has our PING

    def alive(self, now: float) -> None:
        """Note a sign of life; a PING on its way still wants its PONG."""
        self.heard = max(self.heard, now)

    def hear_pong(self, payload: bytes, now: float) -> None:
        """Take a PONG: it answers its PING and all older ones.

        One that matches no PING proves nothing.
        """
        (n,) = struct.unpack(">Q", payload)
        if self.pinged is not None and n == self.pings:
            self.pinged = None
            self.alive(now)

    def take_ping(self, now: float) -> frames.Ping | None:
        """Return the PING that is due, which is being given to the transport."""
        if not self.ping_due:
            return None
        self.ping_due = False
        self.pings += 1
        return frames.Ping(struct.pack(">Q", self.pings))

    def wrote(self, moved: int, given: int, now: float) -> None:
        """Note how much the peer has read, of how much that was given to the
        transport; in bytes or in messages."""
        if self.pinged is not None and not self.ping_due:
            if self.ping_ends is None:
                self.ping_ends = given
            if self.stuck is not None and self.moved < self.ping_ends <= moved:
                self.pinged = now  # it had waited behind much else
        if moved >= given:
            self.stuck = None
        elif self.stuck is None or moved > self.moved:
            self.stuck = now
        self.moved = moved

    def tick(self, now: float) -> str | None:
        """Return what is late: "hello", "write", "pong" or None. Notes if a PING
        is due."""
        if self.stuck is not None and now >= self.stuck + self.times.write:
            return "write"
        if self.hello_by is not None:
            return "hello" if now >= self.hello_by else None
        if self.pinged is not None:
            return "pong" if now >= self._pong_by(self.pinged) else None
        if now >= self.heard + self.times.keepalive:
            self.pinged = now
            self.ping_due, self.ping_ends = True, None
        return None

    def _pong_by(self, pinged: float) -> float:
        """Return when the peer is given up that has not answered a PING.

        From any sign of life on both times run, though no second PING goes out.
        A PING that is not out yet is not counted while the peer reads.
        """
        since = max(pinged, self.heard + self.times.keepalive)
        if self.stuck is not None and (self.ping_ends is None or self.moved < self.ping_ends):
            since = max(since, self.stuck)
        return since + self.times.keepalive_timeout

    def next(self) -> float:
        """Return when tick is to be called next."""
        if self.hello_by is not None:
            due = self.hello_by
        elif self.pinged is not None:
            due = self._pong_by(self.pinged)
        else:
            due = self.heard + self.times.keepalive
        return due if self.stuck is None else min(due, self.stuck + self.times.write)

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

    def tick(self, now: float) -> str | None:
        """Return what is late: "hello", "pong" or None. Notes if a PING is due."""
        if self.hello_by is not None:
            return "hello" if now >= self.hello_by else None
        if self.pinged is not None:
            # Counted from when the PING was wanted: a transport that takes
            # nothing is dead, too. Any byte that comes is a sign of life.
            since = max(self.pinged, self.heard)
            return "pong" if now >= since + self.times.keepalive_timeout else None
        if now >= self.heard + self.times.keepalive:
            self.pinged = now
            self.ping_due = True
        return None

    def next(self) -> float:
        """Return when tick is to be called next."""
        if self.hello_by is not None:
            return self.hello_by
        if self.pinged is not None:
            return max(self.pinged, self.heard) + self.times.keepalive_timeout
        return self.heard + self.times.keepalive

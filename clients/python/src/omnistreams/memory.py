"""Two transports that are joined in memory: for tests, and within a process."""

from __future__ import annotations

import asyncio
from collections import deque

from .transport import Transport

# How many messages may be on their way before send waits.
ON_THE_WAY = 16


class _Pipe:
    """One direction: messages on their way."""

    def __init__(self) -> None:
        self.messages: deque[bytes] = deque()
        self.closed = False
        self.changed = asyncio.Condition()


class MemoryTransport(Transport):
    """One end of a pair."""

    def __init__(self, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._in = incoming
        self._out = outgoing

    async def receive(self) -> bytes | None:
        async with self._in.changed:
            await self._in.changed.wait_for(lambda: self._in.messages or self._in.closed)
            if not self._in.messages:
                return None
            self._in.changed.notify_all()
            return self._in.messages.popleft()

    async def send(self, message: bytes) -> None:
        async with self._out.changed:
            await self._out.changed.wait_for(lambda: len(self._out.messages) < ON_THE_WAY or self._out.closed)
            if self._out.closed:
                raise ConnectionError("the transport is closed")
            self._out.messages.append(message)
            self._out.changed.notify_all()

    async def close(self, *, broken: bool = False) -> None:
        for pipe in (self._in, self._out):
            async with pipe.changed:
                pipe.closed = True
                pipe.changed.notify_all()


def pair() -> tuple[MemoryTransport, MemoryTransport]:
    """Return two transports: what one sends the other receives."""
    a, b = _Pipe(), _Pipe()
    return MemoryTransport(a, b), MemoryTransport(b, a)

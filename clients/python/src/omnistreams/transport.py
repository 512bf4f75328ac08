"""Transports: whole messages over TCP, TLS, Unix sockets and WebSocket.

A transport is anything with `receive`, `send` and `close` that keeps messages
whole and in order. URLs name the ones that are built in:

    tcp://HOST:PORT   tls://HOST:PORT   unix:PATH   ws://HOST:PORT/   wss://HOST:PORT/
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import os
import ssl
from typing import Awaitable, Callable
from urllib.parse import urlsplit

from .errors import Code, broken
from .frames import MIN_MESSAGE

SUBPROTOCOL = "omni.1"
ALPN = "omni/1"
# How many bytes the kernel's buffer may be short of before send waits, and how
# many are read at a time.
CHUNK = 64 << 10
# How long closing may take before the socket is thrown away.
CLOSE_WITHIN = 0.5


class Transport(abc.ABC):
    """Carries messages, in order, none lost."""

    # The longest message that receive returns; the session sets it.
    limit: int = MIN_MESSAGE
    # When bytes came last, and since when a message is begun but not complete,
    # both by the loop's clock. A transport of whole messages leaves them be.
    heard: float = 0.0
    begun: float | None = None
    # How many bytes it was given to send; see waiting.
    given: int = 0

    @abc.abstractmethod
    async def receive(self) -> bytes | None:
        """Return the next message, None when the transport has ended.

        Raises ProtocolError for one beyond the limit, and drops what comes
        from then on. A task that is canceled in it loses nothing.
        """

    @abc.abstractmethod
    async def send(self, message: bytes) -> None:
        """Send a message; wait while the other side takes nothing.

        Raises OSError when the transport has ended.
        """

    def waiting(self) -> int | None:
        """Return how many of the bytes given wait here until the other side reads.

        None says that it is not known: then `send` is to return only when the
        message is on its way.
        """
        return None

    @abc.abstractmethod
    async def close(self, *, broken: bool = False) -> None:
        """Close it. broken says that a rule was broken."""


class ByteTransport(Transport):
    """Messages over a byte stream: each is preceded by its length, 4 bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._at = 0  # what is before it was returned
        self._dropping = False
        writer.transport.set_write_buffer_limits(high=CHUNK)

    async def receive(self) -> bytes | None:
        while True:
            message = self._next()
            if message is not None:
                return message
            try:
                chunk = await self._reader.read(CHUNK)
            except OSError:
                return None
            if not chunk:
                return None
            self.heard = asyncio.get_running_loop().time()
            if self._dropping:
                continue
            if not self._buffer:
                self.begun = self.heard
            self._buffer += chunk

    def _next(self) -> bytes | None:
        """Cut one whole message off what has come, None if none is whole."""
        buffer, at = self._buffer, self._at
        if len(buffer) - at >= 4:
            length = int.from_bytes(buffer[at : at + 4], "big")
            if length > self.limit:
                self._dropping = True  # where the next message begins is not known
                self._buffer, self._at, self.begun = bytearray(), 0, None
                raise broken(9, Code.TOO_LARGE, f"too long: a message of {length} bytes, the limit is {self.limit}")
            if len(buffer) - at >= 4 + length:
                self._at = at + 4 + length
                self.begun = self.heard if self._at < len(buffer) else None
                return bytes(memoryview(buffer)[at + 4 : self._at])
        # What was returned is dropped once for many messages.
        del buffer[:at]
        self._at = 0
        return None

    async def send(self, message: bytes) -> None:
        self.given += 4 + len(message)
        self._writer.write(len(message).to_bytes(4, "big") + message)
        await self._writer.drain()

    def waiting(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    async def close(self, *, broken: bool = False) -> None:
        # What was sent goes out first, unless the other side takes nothing.
        self._writer.close()
        try:
            await asyncio.wait_for(self._writer.wait_closed(), CLOSE_WITHIN)
        except (OSError, asyncio.TimeoutError):
            self._writer.transport.abort()


class Listener:
    """Where sessions are waited for. `url` is the address, with the real port."""

    def __init__(self, url: str, close: Callable[[], Awaitable[None]]) -> None:
        self.url = url
        self._close = close

    async def close(self) -> None:
        """Wait for no more connections. Those that came go on."""
        await self._close()


Welcome = Callable[[Transport], Awaitable[None]]


async def dial(url: str, limit: int, tls: ssl.SSLContext | None = None) -> Transport:
    """Connect to the URL. limit is that of messages; tls is for tls: and wss:,
    None means the defaults.

    Raises OSError if nobody is there, ValueError for a URL of another kind.
    """
    scheme, host, port, path = _parse(url)
    if scheme in ("ws", "wss"):
        from . import websocket

        return await websocket.dial(url, limit, tls if scheme == "wss" else None)
    if scheme == "unix":
        return ByteTransport(*await asyncio.open_unix_connection(path))
    context = None
    if scheme == "tls":
        context = tls or ssl.create_default_context()
        context.set_alpn_protocols([ALPN])
    return ByteTransport(*await asyncio.open_connection(host, port, ssl=context))


async def listen(url: str, limit: int, welcome: Welcome, tls: ssl.SSLContext | None = None) -> Listener:
    """Listen at the URL; port 0 is any that is free. Each transport that comes
    is given to welcome, in a task of its own. tls: and wss: need tls."""
    scheme, host, port, path = _parse(url)
    if scheme in ("tls", "wss") and tls is None:
        raise ValueError(f"{scheme}: needs an SSLContext to listen with")
    if scheme in ("ws", "wss"):
        from . import websocket

        return await websocket.listen(scheme, host, port, path, limit, welcome, tls)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await welcome(ByteTransport(reader, writer))

    if scheme == "unix":
        server = await asyncio.start_unix_server(connected, path)
        url = f"unix:{path}"
    else:
        if tls is not None:
            tls.set_alpn_protocols([ALPN])
        server = await asyncio.start_server(connected, host, port, ssl=tls if scheme == "tls" else None)
        url = f"{scheme}://{_joined(host, server.sockets[0].getsockname()[1])}"

    async def close() -> None:
        server.close()
        if scheme == "unix":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    return Listener(url, close)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parse(url: str) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path of a URL."""
    if url.startswith("unix:"):
        path = url[len("unix:") :]
        if path.startswith("//"):
            path = path[2:]
        if not path:
            raise ValueError(f"no path in {url!r}")
        return "unix", "", 0, path
    parts = urlsplit(url)
    default = {"ws": 80, "wss": 443}.get(parts.scheme)
    port = parts.port if parts.port is not None else default
    if parts.scheme not in ("tcp", "tls", "ws", "wss") or not parts.hostname or port is None:
        raise ValueError(f"not a URL of tcp:, tls:, unix:, ws: or wss: {url!r}")
    return parts.scheme, parts.hostname, port, parts.path or "/"

"""WebSocket as a transport: one binary message each. Needs the `websockets`
package, which the extra `omnistreams[websocket]` brings."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import Any, Generator, Sequence, cast

try:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed, InvalidHandshake
    from websockets.frames import CloseCode, Frame, Opcode
    from websockets.protocol import State
    from websockets.typing import Subprotocol
except ImportError as error:  # pragma: no cover
    raise ImportError("ws: and wss: need the package websockets: install omnistreams[websocket]") from error

from .errors import Code, broken
from .transport import CHUNK, CLOSE_WITHIN, SUBPROTOCOL, Listener, Transport, Welcome, _joined

# Comes from a connection's recv in place of a message that is too long, and
# from nowhere else: nobody can guess it.
_TOO_LONG = os.urandom(16)


class _Ours:
    """What the session wants of a connection that the package does otherwise."""

    protocol: Any  # the package's, of the connection that this is mixed into
    heard = 0.0  # when bytes came last, in whatever pieces
    too_long = ""  # the message that is being dropped
    room = 2 * CHUNK  # how many bytes may wait for the other side before no PONG is added

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[misc]
        self._package_fails, self._package_sends = self.protocol.fail, self.protocol.send_frame
        self.protocol.fail, self.protocol.send_frame = self._fail, self._send_frame

    def data_received(self, data: bytes) -> None:
        self.heard = asyncio.get_running_loop().time()
        began_well = not self.too_long
        super().data_received(data)  # type: ignore[misc]
        if began_well and self.too_long:
            self.process_event(Frame(Opcode.BINARY, _TOO_LONG))  # type: ignore[attr-defined]

    def _send_frame(self, frame: Frame) -> None:
        """Leave out the answers to PINGs of a peer that does not read them: the
        package waits for nobody with those, and they would take any memory."""
        transport: asyncio.WriteTransport = self.transport  # type: ignore[attr-defined]
        if frame.opcode is not Opcode.PONG or transport.get_write_buffer_size() < self.room:
            self._package_sends(frame)

    def _fail(self, code: int, reason: str = "") -> None:
        """Drop what comes from a message on that is too long, where the package
        would close with 1009: the session says FAIL first, and then 1002."""
        protocol = self.protocol
        if code != CloseCode.MESSAGE_TOO_BIG or protocol.state is not State.OPEN:
            self._package_fails(code, reason)
            return
        self.too_long = reason or "a message is too long"
        protocol.parser = self._drop()
        next(protocol.parser)

    def _drop(self) -> Generator[None, None, None]:
        protocol = self.protocol
        while not (yield from protocol.reader.at_eof()):
            protocol.reader.discard()
        if not protocol.eof_sent:
            protocol.send_eof()
        protocol.state = State.CLOSED
        yield


class _Client(_Ours, ClientConnection):
    pass


class _Server(_Ours, ServerConnection):
    pass


class WebSocketTransport(Transport):
    """A connection of the websockets package, text and compression aside."""

    def __init__(self, ws: ClientConnection | ServerConnection) -> None:
        self._ws = ws

    @property
    def heard(self) -> float:  # type: ignore[override]
        return cast(_Ours, self._ws).heard

    async def receive(self) -> bytes | None:
        try:
            message = await self._ws.recv()
        except ConnectionClosed:
            return None
        if isinstance(message, str):
            await self._closed(1003, "text messages are not of this protocol")
            return None
        if message.endswith(_TOO_LONG):
            raise broken(9, Code.TOO_LARGE, f"too long: {cast(_Ours, self._ws).too_long}")
        return message

    def waiting(self) -> int:
        return self._ws.transport.get_write_buffer_size()

    async def send(self, message: bytes) -> None:
        self.given += len(message)
        ours = cast(_Ours, self._ws)
        ours.room = max(ours.room, len(message) + 2 * CHUNK)
        try:
            await self._ws.send(message)
        except ConnectionClosed as error:
            raise ConnectionError("the connection is closed") from error

    async def close(self, *, broken: bool = False) -> None:
        await self._closed(1002 if broken else 1000, "")

    async def _closed(self, code: int, reason: str) -> None:
        try:
            await asyncio.wait_for(self._ws.close(code, reason), CLOSE_WITHIN)
        except (OSError, asyncio.TimeoutError):
            self._ws.transport.abort()


async def dial(url: str, limit: int, tls: ssl.SSLContext | None) -> Transport:
    """Connect to a ws: or wss: URL."""
    extra: dict[str, Any] = {"ssl": tls} if tls is not None else {}
    try:
        ws = await connect(
            url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            proxy=None,
            ping_interval=None,  # the session has signs of life of its own
            max_size=limit,
            create_connection=_Client,
            **extra,
        )
    except InvalidHandshake as error:
        raise ConnectionError(f"no WebSocket at {url}: {error}") from error
    return WebSocketTransport(ws)


def _choose(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Choose the subprotocol if it was offered. It is no error if it was not:
    HELLO decides."""
    return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None


async def listen(
    scheme: str, host: str, port: int, path: str, limit: int, welcome: Welcome, tls: ssl.SSLContext | None
) -> Listener:
    """Listen for WebSockets, at whatever path they come."""

    async def connected(ws: ServerConnection) -> None:
        await welcome(WebSocketTransport(ws))

    server = await serve(
        connected,
        host,
        port,
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        select_subprotocol=_choose,
        compression=None,
        ping_interval=None,
        max_size=limit,
        create_connection=_Server,
        ssl=tls if scheme == "wss" else None,
    )
    port = list(server.sockets)[0].getsockname()[1]

    async def close() -> None:
        server.close(close_connections=False)

    return Listener(f"{scheme}://{_joined(host, port)}{path}", close)

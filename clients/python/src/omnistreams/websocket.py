"""WebSocket as a transport: one binary message each. Needs the `websockets`
package, which the extra `omnistreams[websocket]` brings."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Sequence, cast

try:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed, InvalidHandshake
    from websockets.typing import Subprotocol
except ImportError as error:  # pragma: no cover
    raise ImportError("ws: and wss: need the package websockets: install omnistreams[websocket]") from error

from .transport import CLOSE_WITHIN, SUBPROTOCOL, Listener, Transport, Welcome, _joined

# The package ends the connection itself at max_size, so a message that is
# somewhat beyond the session's limit has to come through: the session answers
# it with FAIL. Beyond this no memory is taken for it.
SLACK = 64 << 10


class _Heard:
    """Notes when bytes came, in whatever pieces: the session wants to know
    whether a peer that sends a long message slowly is alive."""

    heard = 0.0

    def data_received(self, data: bytes) -> None:
        self.heard = asyncio.get_running_loop().time()
        super().data_received(data)  # type: ignore[misc]


class _Client(_Heard, ClientConnection):
    pass


class _Server(_Heard, ServerConnection):
    pass


class WebSocketTransport(Transport):
    """A connection of the websockets package, text and compression aside."""

    def __init__(self, ws: ClientConnection | ServerConnection) -> None:
        self._ws = ws

    @property
    def heard(self) -> float:  # type: ignore[override]
        return cast(_Heard, self._ws).heard

    async def receive(self) -> bytes | None:
        try:
            message = await self._ws.recv()
        except ConnectionClosed:
            return None
        if isinstance(message, str):
            await self._closed(1003, "text messages are not of this protocol")
            return None
        return message

    async def send(self, message: bytes) -> None:
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
            max_size=limit + SLACK,
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
        max_size=limit + SLACK,
        create_connection=_Server,
        ssl=tls if scheme == "wss" else None,
    )
    port = list(server.sockets)[0].getsockname()[1]

    async def close() -> None:
        server.close(close_connections=False)

    return Listener(f"{scheme}://{_joined(host, port)}{path}", close)

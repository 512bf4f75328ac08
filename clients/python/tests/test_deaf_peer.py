"""A peer that does not read, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from urllib.parse import urlsplit

import pytest
from omnistreams import Incoming, Options, Session, Times, frames, serve

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def echo(stream: Incoming) -> None:
    async with stream.reply() as out:
        async for item in stream:
            await out.write(item)


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:0", "ws://127.0.0.1:0/"])
@pytest.mark.parametrize("reads", [True, False])
def test_a_peer_that_says_much_and_reads_nothing(url: str, reads: bool) -> None:
    """It is given up, and one that reads a little now and then is not."""

    async def run() -> None:
        options = Options(times=Times(write=1, linger=0.05))
        sessions: list[Session] = []

        async def handler(stream: Incoming) -> None:
            sessions.append(stream.session)
            async with stream.reply() as out:
                while True:
                    await out.write(bytes(60_000))

        async with serve(url, handler, options) as server:
            host = urlsplit(server.url)
            assert host.hostname is not None
            plug = socket.create_connection((host.hostname, host.port))
            plug.setblocking(False)
            loop = asyncio.get_running_loop()

            async def say(message: bytes) -> None:
                head = len(message).to_bytes(4, "big")
                if host.scheme == "ws":
                    head = b"\x82" + bytes([0x80 | len(message)]) + bytes(4)  # masked by zeros
                await loop.sock_sendall(plug, head + message)

            if host.scheme == "ws":
                await loop.sock_sendall(plug, UPGRADE)
                await loop.sock_recv(plug, 100)
            await say(frames.encode(frames.Hello(1 << 20, 4, 1 << 16, 1 << 30)))
            await say(frames.encode(frames.Open(1, 1, 0, b"")))
            until = loop.time() + (3 if reads else 10)
            while loop.time() < until and not (sessions and sessions[0].error):
                # The system takes bytes in steps of up to a megabyte.
                for _ in range(8 if reads else 0):
                    await loop.sock_recv(plug, 1 << 16)
                with contextlib.suppress(OSError):
                    await say(frames.encode(frames.Ignored(200, 0, b"alive")))
                await asyncio.sleep(0.05)
            if reads:
                assert sessions[0].error is None
            else:
                assert "the peer did not read" in str(sessions[0].error)
            plug.close()

    asyncio.run(run())


def test_pings_of_websocket_that_are_not_read_take_no_memory() -> None:
    """The package answers each, and waits for nobody."""

    async def run() -> None:
        async with serve("ws://127.0.0.1:0/", echo, Options()) as server:
            host = urlsplit(server.url)
            assert host.hostname is not None
            plug = socket.create_connection((host.hostname, host.port))
            plug.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(plug, UPGRADE)
            await loop.sock_recv(plug, 100)
            ping = b"\x89" + bytes([0x80 | 125]) + bytes(4) + bytes(125)
            for _ in range(300):
                await loop.sock_sendall(plug, 1000 * ping)  # 38 MB in all
                (session,) = server.sessions
                waiting = session._transport.waiting()
                assert waiting is not None and waiting < 1 << 20, waiting
            plug.close()

    asyncio.run(run())

"""The transports: limits, text, subprotocols, stalls, and backpressure."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from omnistreams import (
    Incoming,
    OmniError,
    Options,
    ProtocolError,
    Session,
    SessionLost,
    StreamError,
    Times,
    connect,
    frames,
    serve,
)
from omnistreams.memory import pair
from vectors import split
from websockets.asyncio.client import connect as ws_connect
from websockets.asyncio.server import serve as ws_serve
from websockets.exceptions import ConnectionClosed

OPTIONS = Options(max_item=70_000, window=1 << 20)
LIMIT = 70_009


async def refuse(stream: Incoming) -> None:
    stream.refuse("not here")


class Raw:
    """A peer by hand, over TCP or WebSocket."""

    def __init__(self, reader: Any, writer: Any, ws: Any) -> None:
        self.reader, self.writer, self.ws = reader, writer, ws

    @classmethod
    async def dial(cls, url: str) -> Raw:
        if url.startswith("ws"):
            return cls(None, None, await ws_connect(url, subprotocols=["omni.1"], max_size=None, proxy=None))  # type: ignore[list-item]
        host, port = url.removeprefix("tcp://").split(":")
        return cls(*await asyncio.open_connection(host, int(port)), None)

    async def send(self, message: bytes) -> None:
        if self.ws is not None:
            await self.ws.send(message)
        else:
            self.writer.write(len(message).to_bytes(4, "big") + message)

    async def receive(self) -> list[frames.Frame] | None:
        """Return the frames of the next message, None at the end."""
        try:
            if self.ws is not None:
                return split(await self.ws.recv())
            length = int.from_bytes(await self.reader.readexactly(4), "big")
            return split(await self.reader.readexactly(length))
        except (ConnectionClosed, asyncio.IncompleteReadError, OSError):
            return None

    async def last(self) -> frames.Frame | None:
        """Return the last frame before the end."""
        last: frames.Frame | None = None
        while (got := await asyncio.wait_for(self.receive(), 3)) is not None:
            last = got[-1]
        return last

    async def close(self) -> None:
        if self.ws is not None:
            await self.ws.close()
        else:
            self.writer.close()
            with contextlib.suppress(OSError):
                await self.writer.wait_closed()


HELLO = frames.encode(frames.Hello(1024, 4, 4, 4096))
BOTH = pytest.mark.parametrize("url", ["tcp://127.0.0.1:0", "ws://127.0.0.1:0/"])


def message_of(size: int) -> bytes:
    """Make a message of ignored frames."""
    return frames.encode(frames.Ignored(200, 0, bytes(size - frames.HEADER_SIZE)))


@BOTH
def test_lengths_around_the_limit(url: str) -> None:
    async def run() -> None:
        async with serve(url, refuse, OPTIONS) as server:
            peer = await Raw.dial(server.url)
            await peer.send(HELLO)
            await peer.send(message_of(LIMIT))
            await peer.send(frames.encode(frames.Ping(b"12345678")))
            hello, pong = await peer.receive(), await peer.receive()
            assert hello is not None and isinstance(hello[0], frames.Hello)
            assert pong == [frames.Pong(b"12345678")]
            await peer.send(message_of(LIMIT + 1))
            last = await peer.last()
            assert isinstance(last, frames.Fail)
            assert last.code == 4 and last.reason.startswith("rule 9: too long")
            if peer.ws is not None:
                assert peer.ws.close_code == 1002
            await peer.close()

    asyncio.run(run())


def test_an_announced_length_takes_no_memory_and_is_answered_at_once() -> None:
    async def run() -> None:
        async with serve("tcp://127.0.0.1:0", refuse, OPTIONS) as server:
            peer = await Raw.dial(server.url)
            await peer.send(HELLO)
            peer.writer.write((0xFFFFFFFF).to_bytes(4, "big"))
            last = await peer.last()
            assert isinstance(last, frames.Fail) and last.code == 4
            await peer.close()

    asyncio.run(run())


@pytest.mark.parametrize("fragments", [1, 3])
def test_websocket_messages_far_beyond_the_limit(fragments: int) -> None:
    """They are answered like those that are a byte too long, not by the package."""

    async def run() -> None:
        async with serve("ws://127.0.0.1:0/", refuse, OPTIONS) as server:
            peer = await Raw.dial(server.url)
            await peer.send(HELLO + frames.encode(frames.Ping(b"12345678")))
            piece = bytes(20 * LIMIT // fragments)
            sending = asyncio.ensure_future(peer.ws.send(piece if fragments == 1 else [piece] * fragments))
            last = await peer.last()
            assert isinstance(last, frames.Fail)
            assert last.code == 4 and last.reason.startswith("rule 9: too long")
            assert peer.ws.close_code == 1002
            await asyncio.wait([sending], timeout=3)
            assert sending.done()

    asyncio.run(run())


def test_a_long_websocket_message_is_found_by_its_header() -> None:
    """At the side that has connected."""

    async def run() -> None:
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def wild(ws: Any) -> None:
            await ws.send(HELLO)
            ws.transport.write(b"\x82\x7f" + (1 << 40).to_bytes(8, "big"))
            hello, fail = split(await ws.recv()), split(await ws.recv())
            ended.set_result((hello, fail))

        async with ws_serve(wild, "127.0.0.1", 0) as server:
            port = list(server.sockets)[0].getsockname()[1]
            session = await connect(f"ws://127.0.0.1:{port}/", OPTIONS)
            with pytest.raises(ProtocolError) as caught:
                await asyncio.wait_for(session.wait_closed(), 5)
            assert (caught.value.code, caught.value.rule) == (4, 9)
            hello, fail = await asyncio.wait_for(ended, 5)
            assert isinstance(hello[0], frames.Hello)
            assert isinstance(fail[0], frames.Fail) and fail[0].code == 4

    asyncio.run(run())


def test_an_empty_message() -> None:
    async def run() -> None:
        async with serve("tcp://127.0.0.1:0", refuse) as server:
            peer = await Raw.dial(server.url)
            await peer.send(HELLO)
            await peer.send(b"")
            last = await peer.last()
            assert isinstance(last, frames.Fail) and last.reason == "rule 0: empty message"
            await peer.close()

    asyncio.run(run())


def test_a_stall_inside_a_message() -> None:
    async def run() -> None:
        options = Options(times=Times(message=0.1, linger=0.05))
        async with serve("tcp://127.0.0.1:0", refuse, options) as server:
            peer = await Raw.dial(server.url)
            await peer.send(HELLO)
            peer.writer.write(b"\0\0\1")
            last = await peer.last()
            assert isinstance(last, frames.Fail)
            assert (last.code, last.reason) == (7, "rule 0: message timed out")
            await peer.close()

    asyncio.run(run())


def test_websocket_text_subprotocol_and_compression() -> None:
    async def run() -> None:
        async with serve("ws://127.0.0.1:0/", refuse) as server:
            peer = await Raw.dial(server.url)
            assert peer.ws.subprotocol == "omni.1"
            assert "Sec-WebSocket-Extensions" not in peer.ws.response.headers
            await peer.ws.send("text")
            await peer.last()
            assert peer.ws.close_code == 1003
            async with ws_connect(server.url, proxy=None) as plain:  # no subprotocol is no error
                assert plain.subprotocol is None
                message = await plain.recv()
                assert isinstance(message, bytes) and isinstance(split(message)[0], frames.Hello)
            async with connect(server.url) as session:
                with pytest.raises(StreamError):
                    async with session.open():
                        pass
                ws = session._transport._ws  # type: ignore[attr-defined]
                assert ws.subprotocol == "omni.1"
                assert "Sec-WebSocket-Extensions" not in ws.request.headers

    asyncio.run(run())


@BOTH
def test_a_cut_is_never_a_clean_end(url: str) -> None:
    async def run() -> None:
        failures: list[OmniError] = []
        got: asyncio.Future[OmniError] = asyncio.get_running_loop().create_future()

        async def handler(stream: Incoming) -> None:
            assert await stream.read() == b"x"
            try:
                await stream.read()
            except SessionLost as error:
                got.set_result(error)
                raise

        async with serve(url, handler, failed=failures.append) as server:
            peer = await Raw.dial(server.url)
            await peer.send(HELLO + frames.encode(frames.Open(1, 0, 0, b"")) + frames.encode(frames.Data(1, b"x")))
            await peer.receive()
            await peer.close()
            error = await asyncio.wait_for(got, 2)
            assert str(error).startswith("internal (6): session lost: ")
        assert len(failures) == 1

    asyncio.run(run())


def test_reading_goes_on_while_sending_is_blocked() -> None:
    """The peer does not read; what it says is taken all the same."""

    async def run() -> None:
        ours, theirs = pair()
        session = Session(ours, OPTIONS)
        await theirs.send(frames.encode(frames.Hello(1 << 20, 4, 0, 0)))
        out = await session.open(b"")
        await theirs.send(frames.encode(frames.Request(1, 1 << 30, frames.MAX_TOTAL)))

        async def write() -> None:
            while True:
                await out.write(bytes(30_000))

        writing = asyncio.ensure_future(write())
        for n in range(1, 40):
            await theirs.send(frames.encode(frames.Open(n, 0, 0, b"%d" % n)) + frames.encode(frames.Fail(n, 300, "")))
            stream = await asyncio.wait_for(session.accept(), 2)
            assert stream is not None and stream.metadata == b"%d" % n
        # The writer waits for the transport though it has credit without end.
        sent = out._out.sent_items
        await asyncio.sleep(0.02)
        assert out._out.sent_items == sent < 100
        writing.cancel()
        await session.close()

    asyncio.run(run())


def test_unix_sockets_leave_nothing_behind(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "socket"
        async with serve(f"unix:{path}", refuse) as server:
            assert path.exists()
            async with connect(server.url):
                pass
        assert not path.exists()

    asyncio.run(run())


@pytest.mark.parametrize("url", ["http://a/", "tcp://a", "nonsense", "unix:"])
def test_urls_that_are_none(url: str) -> None:
    async def run() -> None:
        with pytest.raises(ValueError):
            await connect(url)

    asyncio.run(run())


def test_nobody_is_there() -> None:
    async def run() -> None:
        for url in ("tcp://127.0.0.1:1", "ws://127.0.0.1:1/"):
            with pytest.raises(OSError):
                await connect(url)

    asyncio.run(run())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a certificate for 127.0.0.1, with its key in the same file."""
    if shutil.which("openssl") is None:
        assert os.environ.get("OMNI_REQUIRE") != "all", "openssl is required"
        pytest.skip("there is no openssl")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    cert.write_text(cert.read_text() + key.read_text())
    return str(cert)


@pytest.mark.parametrize("url", ["tls://127.0.0.1:0", "wss://127.0.0.1:0/"])
def test_tls(url: str, certificate: str) -> None:
    async def run() -> None:
        ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ours.load_cert_chain(certificate)
        theirs = ssl.create_default_context(cafile=certificate)
        with pytest.raises(ValueError):
            await serve(url, refuse)
        async with serve(url, refuse, tls=ours) as server:
            with pytest.raises(OSError):  # whose certificate is not known
                await connect(server.url)
            async with connect(server.url, tls=theirs) as session:
                with pytest.raises(StreamError) as caught:
                    async with session.open():
                        pass
                assert caught.value.reason == "not here"
                if url.startswith("tls"):
                    socket = session._transport._writer.get_extra_info("ssl_object")  # type: ignore[attr-defined]
                    assert socket.selected_alpn_protocol() == "omni/1"

    asyncio.run(run())

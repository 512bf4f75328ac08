"""Mistakes of an application, and canceled tasks: neither may cost more than the call."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path
from typing import Any, Awaitable, Callable

import pytest
from omnistreams import (
    Call,
    Incoming,
    OmniError,
    Options,
    Session,
    SessionLost,
    StreamError,
    Writer,
    connect,
    serve,
)
from omnistreams.memory import MemoryTransport, pair
from test_api import accept, two

# Types that are not what they should be: a checker of types would find them.
WRONG: Any = "text"
NO_TEXT: Any = b"bytes"
LIKE_BYTES: Any = bytearray(b"name")
NO_ITEMS: list[Any] = ["text", 5, None, [1, 2]]


async def echo(stream: Incoming) -> None:
    async with stream.reply() as out:
        async for item in stream:
            await out.write(item)


@pytest.mark.parametrize("code", [-1, 1 << 32, "1", None, 1.5])
def test_no_code(code: Any) -> None:
    """It is the caller's error, at once, and the session goes on."""

    async def run() -> None:
        async with two() as (a, b):
            async with a.call() as call:
                stream = await accept(b)
                out = stream.reply()
                for mistake in (call.fail, call.cancel, out.fail, stream.cancel, stream.session.close):
                    with pytest.raises(ValueError):
                        done: Any = mistake(code, "")
                        await done
                other = await a.call()
                unread = await accept(b)
                with pytest.raises(ValueError):
                    unread.refuse("", code)
                unread.refuse()
                other.cancel()
                with pytest.raises(ValueError):
                    StreamError(code)
                await call.write(b"still well")
                assert await stream.read() == b"still well"
                stream.finish()

    asyncio.run(run())


def test_no_bytes_and_no_text() -> None:
    async def run() -> None:
        async with two() as (a, b):
            for mistake in (a.open, a.call):
                with pytest.raises(TypeError):
                    await mistake(WRONG)
            call = await a.call(LIKE_BYTES)
            stream = await accept(b)
            assert stream.metadata == b"name"
            with pytest.raises(TypeError):
                stream.reply(WRONG)
            for item in NO_ITEMS:
                with pytest.raises(TypeError):
                    await call.write(item)
            for word in (call.fail, call.cancel, stream.cancel, a.close):
                with pytest.raises(TypeError):
                    done: Any = word(1, NO_TEXT)
                    await done
            for again in (stream.refuse, a.shutdown):
                with pytest.raises(TypeError):
                    done = again(NO_TEXT)
                    await done
            async with call, stream.reply() as out:
                await call.write(LIKE_BYTES)
                view: Any = memoryview(await stream.read() or b"")
                await out.write(view)
                assert await call.read() == b"name"
                stream.cancel()
                out.end()
                assert await call.read() is None
            with pytest.raises(TypeError):
                Options(metadata=WRONG)

    asyncio.run(run())


def test_openings_are_coroutines() -> None:
    """They can be tasks, like those of other packages."""

    async def run() -> None:
        async with serve("tcp://127.0.0.1:0", echo) as server:
            session = await asyncio.create_task(connect(server.url))
            opened = asyncio.create_task(session.call(b"1")), asyncio.create_task(session.open(b"2"))
            call, out = await asyncio.gather(*opened)
            call.cancel()
            out.end()
            waiting = asyncio.create_task(session.call(b"3"))
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            session.call(b"never awaited").close()
            await session.shutdown()

    asyncio.run(run())


async def tasks_end() -> None:
    """Fail unless this task is soon the only one."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=5)
    assert all(task.done() for task in others), others


def test_a_canceled_block_leaves_no_session() -> None:
    """Its end waits for streams that the peer holds, and is canceled in that."""

    async def run() -> None:
        left, right = pair()
        other = Session(right)

        async def use() -> None:
            async with Session(left) as session:
                out = await session.open()
                out.end()  # nobody reads it

        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(use(), 0.1)
        with pytest.raises(SessionLost):
            await asyncio.wait_for(other.wait_closed(), 5)
        await tasks_end()

    asyncio.run(run())


def test_a_canceled_block_leaves_no_server() -> None:
    async def run() -> None:
        held = asyncio.Event()

        async def hold(stream: Incoming) -> None:
            held.set()
            await asyncio.Event().wait()

        server = serve("tcp://127.0.0.1:0", hold)
        begun = await server.__aenter__()
        session = await connect(begun.url)
        (await session.open()).end()
        await held.wait()
        ending = asyncio.ensure_future(server.__aexit__(None, None, None))
        while not begun._closing:
            await asyncio.sleep(0)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
        with pytest.raises(SessionLost):
            await asyncio.wait_for(session.wait_closed(), 5)
        await tasks_end()

    asyncio.run(run())


def test_who_shakes_hands_while_the_server_closes_is_not_served(tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", key, "-out", cert], check=True, capture_output=True)
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(cert, key)

    async def run() -> None:
        server = await serve("tls://127.0.0.1:0", echo, tls=own)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        for _ in range(10):
            await asyncio.sleep(0)  # it is accepted, and nothing was said
        await server.close()
        with pytest.raises(OSError):
            await writer.start_tls(ssl._create_unverified_context())
            if await reader.read(1 << 10):
                raise AssertionError("it was served")
            raise ConnectionError("closed")
        assert server.sessions == []
        writer.close()

    asyncio.run(run())


class Broken(MemoryTransport):
    """It raises what a transport should not."""

    async def send(self, message: bytes) -> None:
        raise EOFError("half a message")


class Deaf(MemoryTransport):
    async def receive(self) -> bytes | None:
        raise EOFError("half a message")


@pytest.mark.parametrize("kind", [Broken, Deaf])
def test_a_transport_that_breaks_in_its_own_way_ends_the_session(kind: Callable[..., MemoryTransport]) -> None:
    async def run() -> None:
        left, _ = pair()
        session = Session(kind(left._in, left._out))
        with pytest.raises(SessionLost) as caught:
            await asyncio.wait_for(session.wait_closed(), 5)
        assert "half a message" in caught.value.reason

    asyncio.run(run())


def test_a_handler_that_raises_nonsense_is_contained() -> None:
    async def run() -> None:
        class Odd(StreamError):
            def __init__(self) -> None:
                super().__init__(7, "odd")
                self.code = NO_TEXT

        async def handler(stream: Incoming) -> None:
            if stream.metadata == b"code":
                raise Odd
            raise StreamError(1 << 40, "beyond")

        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with serve("tcp://127.0.0.1:0", handler) as server, connect(server.url) as session:
            for metadata in (b"code", b"other"):
                call = await session.call(metadata)
                with pytest.raises(StreamError) as caught:
                    await asyncio.wait_for(call.answer(), 5)
                assert caught.value.code == 6
                call.cancel()

    asyncio.run(run())


def test_no_item_is_lost_or_read_twice_by_readers_that_are_canceled() -> None:
    """Readers and writers are canceled at all moments, several on one stream."""

    async def run() -> None:
        async with two(b=Options(prefetch=2)) as (a, b):
            out = await a.open()
            stream = await accept(b)
            got: list[int] = []
            wrote: list[int] = []
            numbers = list(range(400, 0, -1))

            async def read() -> None:
                while (item := await stream.read()) is not None:
                    got.append(int(item))

            async def write() -> None:
                while numbers:
                    n = numbers.pop()
                    try:
                        await out.write(b"%d" % n)
                    except asyncio.CancelledError:
                        return  # n was not written
                    wrote.append(n)

            async def disturb(task: Callable[[], Any], done: Callable[[], bool]) -> None:
                turn = 0
                while not done():
                    running = [asyncio.ensure_future(task()) for _ in range(3)]
                    for _ in range(turn % 7 + 1):
                        await asyncio.sleep(0)
                    for other in running:
                        other.cancel()
                    await asyncio.gather(*running, return_exceptions=True)
                    turn += 1

            async def write_all() -> None:
                await disturb(write, lambda: not numbers)
                out.end()

            reading = disturb(read, lambda: stream._in.left)
            await asyncio.wait_for(asyncio.gather(write_all(), reading), 20)
            assert got == wrote and len(got) > 100
            await out.wait_closed()

    asyncio.run(run())


def test_accepts_that_are_canceled_lose_no_stream() -> None:
    async def run() -> None:
        async with two() as (a, b):
            got: list[bytes] = []

            async def take() -> None:
                stream = await b.accept()
                assert stream is not None
                got.append(stream.metadata)
                stream.cancel()

            async def open_all() -> None:
                for n in range(100):
                    out = await a.open(b"%d" % n)
                    out.fail()

            opening = asyncio.ensure_future(open_all())
            turn = 0
            while len(got) < 100:
                taking = [asyncio.ensure_future(take()) for _ in range(2)]
                for _ in range(turn % 5 + 1):
                    await asyncio.sleep(0)
                for task in taking:
                    task.cancel()
                await asyncio.gather(*taking, return_exceptions=True)
                turn += 1
            await opening
            assert got == [b"%d" % n for n in range(100)]

    asyncio.run(run())


def test_opens_and_calls_that_are_canceled_keep_no_slot() -> None:
    async def run() -> None:
        async with two(b=Options(streams=2)) as (a, b):
            serving = asyncio.ensure_future(b.serve(echo))
            for turn in range(60):
                openings: list[Awaitable[Writer]] = [a.open(), a.call(), a.call(), a.open()]
                opening = [asyncio.ensure_future(each) for each in openings]
                for _ in range(turn % 9):
                    await asyncio.sleep(0)
                for task in opening:
                    task.cancel()
                for outcome in await asyncio.gather(*opening, return_exceptions=True):
                    if not isinstance(outcome, BaseException):
                        outcome.cancel() if isinstance(outcome, Call) else outcome.fail()
            async with a.call() as call:
                await asyncio.wait_for(call.write(b"x"), 5)
                assert await asyncio.wait_for(call.read(), 5) == b"x"
        await asyncio.wait_for(serving, 5)

    asyncio.run(run())


def test_a_canceled_pipe_is_canceled() -> None:
    async def run() -> None:
        async with two(Options(prefetch=0), Options(prefetch=0)) as (a, b):
            out = await a.open()
            back = await b.open()
            piping = asyncio.ensure_future((await accept(b)).pipe(back))
            end = await accept(a)
            await asyncio.sleep(0)
            piping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await piping
            with pytest.raises(OmniError):
                await out.wait_closed()
            with pytest.raises(StreamError):
                await end.read()

    asyncio.run(run())


def test_an_open_after_the_end_learns_of_the_shutdown() -> None:
    """Nothing was lost, so it is the same whether the goodbyes went or not yet."""

    async def run() -> None:
        async with two() as (a, b):
            await a.shutdown("restart")
            await b.wait_closed()
            for session in (a, b):
                for opening in (session.open(), session.call()):
                    with pytest.raises(StreamError) as caught:
                        await opening
                    assert caught.value.code == 8

    asyncio.run(run())

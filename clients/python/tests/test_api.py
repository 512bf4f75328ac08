"""What an application sees: two sessions in one process, or over TCP."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, AsyncIterator

import pytest
from omnistreams import (
    Code,
    Incoming,
    Options,
    ProtocolError,
    Router,
    Session,
    SessionLost,
    StreamError,
    TooLarge,
    connect,
    frames,
    named,
    read_bytes,
    read_json,
    serve,
    write_bytes,
    write_json,
)
from omnistreams.memory import pair


@contextlib.asynccontextmanager
async def two(a: Options | None = None, b: Options | None = None) -> AsyncIterator[tuple[Session, Session]]:
    """Two sessions that are joined in memory; both must end well."""
    left, right = pair()
    one, other = Session(left, a), Session(right, b)
    yield one, other
    await asyncio.wait_for(one.shutdown(), 5)
    await asyncio.wait_for(other.wait_closed(), 5)
    for session in (one, other):
        engine = session.engine
        assert (engine.own, engine.theirs, engine.own_slots, engine.their_slots) == ({}, {}, 0, 0)


async def accept(session: Session) -> Incoming:
    stream = await asyncio.wait_for(session.accept(), 2)
    assert stream is not None
    return stream


def test_one_way() -> None:
    async def run() -> None:
        async with two() as (a, b):

            async def read() -> list[bytes]:
                stream = await accept(b)
                assert not stream.is_call and stream.metadata == b"numbers"
                return [item async for item in stream]

            reading = asyncio.ensure_future(read())
            async with a.open(b"numbers") as out:
                for n in range(1000):
                    await out.write(b"%d" % n)
            assert await reading == [b"%d" % n for n in range(1000)]

    asyncio.run(run())


def test_a_writer_that_breaks_off() -> None:
    async def run() -> None:
        async with two() as (a, b):
            async with a.open() as out:
                await out.write(b"x")
                out.fail(300, "broken")  # leaving the block then waits for nothing
            stream = await accept(b)
            assert await stream.read() == b"x"
            with pytest.raises(StreamError):
                await stream.read()
            with pytest.raises(ZeroDivisionError):
                async with a.open() as out:
                    await out.write(bytes(1 // 0))
            stream = await accept(b)
            with pytest.raises(StreamError) as caught:
                await stream.read()
            assert (caught.value.code, caught.value.reason) == (6, "")

    asyncio.run(run())


def test_a_duplex_call() -> None:
    async def run() -> None:
        async with two() as (a, b):

            async def answer() -> None:
                stream = await accept(b)
                async with stream.reply(b"upper") as out:
                    async for item in stream:
                        await out.write(item.upper())

            answering = asyncio.ensure_future(answer())
            async with a.call() as call:
                assert (await call.answer()).metadata == b"upper"
                for word in (b"pull", b"not", b"push"):
                    await call.write(word)
                    assert await call.read() == word.upper()
                call.end()
                assert await call.read() is None
                assert await call.read() is None  # again
                await call.wait_closed()
            await answering

    asyncio.run(run())


def test_calls_both_ways_with_one_slot_each() -> None:
    """Answers need no slot, so calls in both directions never starve."""

    async def run() -> None:
        async def handler(stream: Incoming) -> None:
            async with stream.reply() as out:
                await write_bytes(out, await read_bytes(stream))

        async def ask(session: Session) -> None:
            async with session.call() as call:
                await call.write(b"x")
                call.end()
                assert await read_bytes(call) == b"x"

        async with two(Options(streams=1), Options(streams=1)) as (a, b):
            serving = [asyncio.ensure_future(s.serve(handler)) for s in (a, b)]
            await asyncio.wait_for(asyncio.gather(*(ask(s) for s in [a, b] * 20)), 5)
        await asyncio.gather(*serving)

    asyncio.run(run())


def test_an_open_waits_for_a_slot_and_can_be_canceled() -> None:
    async def run() -> None:
        async with two(b=Options(streams=1)) as (a, b):
            first = await a.open(b"1")
            waiting = asyncio.ensure_future(a.open(b"2").__aenter__())
            third = asyncio.ensure_future(a.open(b"3").__aenter__())
            await asyncio.sleep(0.02)
            assert not waiting.done()
            waiting.cancel()
            stream = await accept(b)
            first.end()
            assert await stream.read() is None
            await first.wait_closed()
            last = await accept(b)
            assert last.metadata == b"3"  # the second never came
            (await third).fail(300, "")
            with pytest.raises(StreamError):
                await last.read()

    asyncio.run(run())


def test_a_writer_waits_for_its_reader_and_can_be_canceled() -> None:
    async def run() -> None:
        async with two(b=Options(prefetch=2)) as (a, b):
            out = await a.open()
            stream = await accept(b)
            for n in range(2):
                await out.write(b"%d" % n)
            waiting = asyncio.ensure_future(out.write(b"lost"))
            await asyncio.sleep(0.02)
            assert not waiting.done()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await stream.read() == b"0"
            await out.write(b"2")
            out.end()
            assert [item async for item in stream] == [b"1", b"2"]
            with pytest.raises(RuntimeError):
                await out.write(b"after the end")

    asyncio.run(run())


def test_a_read_that_is_canceled_loses_nothing() -> None:
    async def run() -> None:
        async with two() as (a, b):
            out = await a.open()
            stream = await accept(b)
            for n in range(20):
                reading = asyncio.ensure_future(stream.read())
                await asyncio.sleep(0)
                reading.cancel()
                await out.write(b"%d" % n)
                assert await stream.read() == b"%d" % n
            out.end()
            assert await stream.read() is None

    asyncio.run(run())


def test_demand_is_what_was_asked_for() -> None:
    async def run() -> None:
        async with two(b=Options(prefetch=0)) as (a, b):
            out = await a.open()
            stream = await accept(b)
            demand = asyncio.ensure_future(out.demand())
            await asyncio.sleep(0.01)
            assert not demand.done()
            stream.request(7)
            assert await demand == 7
            stream.cancel(301, "enough")
            with pytest.raises(StreamError) as caught:
                await out.demand(7)
            assert (caught.value.code, caught.value.reason, caught.value.remote) == (301, "enough", True)

    asyncio.run(run())


def test_items_that_are_too_long() -> None:
    async def run() -> None:
        async with two(b=Options(max_item=10)) as (a, b):
            async with a.open() as out:
                with pytest.raises(TooLarge) as caught:
                    await out.write(bytes(11))
                assert (caught.value.size, caught.value.limit) == (11, 10)
                assert out.max_item == 10
                reading = asyncio.ensure_future(read_bytes(await accept(b)))
                await write_bytes(out, bytes(95))
            assert await reading == bytes(95)
            with pytest.raises(TooLarge):
                await a.open(bytes(16385))

    asyncio.run(run())


def test_the_largest_item_there_is() -> None:
    async def run() -> None:
        async with two(b=Options(max_item=1 << 24, window=1 << 24)) as (a, b):
            async with a.open() as out:
                reading = asyncio.ensure_future(read_bytes(await accept(b)))
                await out.write(bytes(1 << 24))
            assert len(await reading) == 1 << 24

    asyncio.run(run())


def test_handlers() -> None:
    """What they raise is told by code, and by reason if it is ours to tell."""

    async def run() -> None:
        router = Router()

        @router.route("fails")
        async def fails(stream: Incoming) -> None:
            raise StreamError(333, "as it happens")

        @router.route("breaks")
        async def breaks(stream: Incoming) -> None:
            raise KeyError("a secret")

        @router.route("forgets")
        async def forgets(stream: Incoming) -> None:
            stream.reply()

        @router.route("returns")
        async def returns(stream: Incoming) -> None:
            pass

        told: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
        async with serve("tcp://127.0.0.1:0", router) as server, connect(server.url) as session:

            async def ask(metadata: bytes) -> tuple[int, str]:
                with pytest.raises(StreamError) as caught:
                    async with session.call(metadata) as call:
                        await call.read()
                return caught.value.code, caught.value.reason

            assert await ask(named("fails")) == (333, "as it happens")
            assert await ask(named("breaks")) == (6, "")
            assert await ask(named("forgets")) == (6, "the handler left it open")
            assert await ask(named("returns")) == (6, "the handler left it open")
            assert await ask(named("nobody")) == (5, "no such name")
            assert await ask(b"\xff") == (5, "metadata has no name")
            assert await ask(b'{"name":1}') == (5, "metadata has no name")
        assert [type(error) for error in told] == [KeyError]
        with pytest.raises(ValueError):
            router.route("fails")(fails)

    asyncio.run(run())


@pytest.mark.parametrize("code", [0, 1, 9, 255, 256, 2**32 - 1])
def test_a_pipe_passes_on_any_code(code: int) -> None:
    """FAIL may have code 0, too, and is still an error to the reader."""

    async def run() -> None:
        async def echo(stream: Incoming) -> None:
            await stream.pipe(stream.reply())

        async with two() as (a, b):
            serving = asyncio.ensure_future(b.serve(echo))
            async with a.call() as call:
                await call.write(b"x")
                call.fail(code, "as it is")
                assert await call.read() == b"x"
                with pytest.raises(StreamError) as caught:
                    await call.read()
                assert (caught.value.code, caught.value.reason) == (code, "as it is")
        await serving

    asyncio.run(run())


def test_json() -> None:
    async def run() -> None:
        values: list[Any] = [1, "zwölf", None, {"a": [True]}]
        async with two() as (a, b):

            async def write() -> None:
                async with a.open() as out:
                    for value in values:
                        await write_json(out, value)

            writing = asyncio.ensure_future(write())
            assert [value async for value in read_json(await accept(b))] == values
            await writing

    asyncio.run(run())


def test_read_bytes_has_a_limit() -> None:
    async def run() -> None:
        async with two() as (a, b):
            out = await a.open()
            await out.write(bytes(100))
            stream = await accept(b)
            with pytest.raises(TooLarge):
                await read_bytes(stream, limit=99)
            stream.cancel()

    asyncio.run(run())


def test_giving_up_a_call() -> None:
    async def run() -> None:
        async with two() as (a, b):
            with pytest.raises(ZeroDivisionError):
                async with a.call() as call:
                    await call.write(b"x")
                    1 / 0
            stream = await accept(b)
            out = stream.reply()  # it crosses
            with pytest.raises(StreamError):
                await out.wait_closed()
            with pytest.raises(StreamError) as caught:
                [item async for item in stream]
            assert caught.value.code == Code.INTERNAL
            with pytest.raises(StreamError):
                await call.read()

    asyncio.run(run())


def test_shutdown_lets_streams_end_and_opens_fail() -> None:
    async def run() -> None:
        async with two(b=Options(streams=1)) as (a, b):
            out = await a.open()
            waiting = asyncio.ensure_future(a.open().__aenter__())
            stream = await accept(b)
            ending = asyncio.ensure_future(b.shutdown("restart"))
            with pytest.raises(StreamError) as caught:
                await waiting
            assert (caught.value.code, caught.value.reason) == (8, "restart")
            with pytest.raises(StreamError):
                await b.open()
            await out.write(b"still")
            out.end()
            assert [item async for item in stream] == [b"still"]
            await ending
            assert await a.accept() is None

    asyncio.run(run())


def test_shutdown_has_a_deadline() -> None:
    async def run() -> None:
        left, right = pair()
        a, b = Session(left), Session(right)
        out = await a.open()
        await accept(b)
        with pytest.raises(SessionLost) as caught:
            await a.shutdown(timeout=0.05)
        assert caught.value.code == Code.SHUTTING_DOWN
        with pytest.raises(SessionLost) as lost:
            await out.wait_closed()
        assert lost.value.code == Code.INTERNAL  # 8 would promise that trying again is safe
        with pytest.raises(SessionLost):
            await b.wait_closed()

    asyncio.run(run())


def test_closing_a_session_loses_what_lives() -> None:
    async def run() -> None:
        left, right = pair()
        a, b = Session(left), Session(right)
        call = await a.call()
        stream = await accept(b)
        call.end()
        await a.close(300, "had enough")
        for waiting in (call.read(), call.wait_closed(), stream.read(), b.accept(), a.open().__aenter__()):
            with pytest.raises(SessionLost) as caught:
                await asyncio.wait_for(waiting, 2)
            assert caught.value.code == 300
        with pytest.raises(SessionLost):
            stream.reply()

    asyncio.run(run())


def test_both_sides_are_told_of_a_broken_rule() -> None:
    async def run() -> None:
        left, right = pair()
        a = Session(left)
        await right.send(frames.encode(frames.Hello(1, 1, 0, 0)) + frames.encode(frames.End(3)))
        with pytest.raises(ProtocolError) as caught:
            await a.wait_closed()
        assert caught.value.rule == 8 and not caught.value.remote
        left, right = pair()
        b = Session(left)
        await right.send(frames.encode(frames.Hello(1, 1, 0, 0)) + frames.encode(frames.Fail(0, 2, "rule 8: no")))
        with pytest.raises(ProtocolError) as caught:
            await b.wait_closed()
        assert caught.value.remote and caught.value.reason == "rule 8: no"

    asyncio.run(run())


def test_metadata_of_the_session() -> None:
    async def run() -> None:
        async with two(Options(metadata=b"I am a")) as (a, b):
            assert (await b.ready()).metadata == b"I am a" == b.peer.metadata

    asyncio.run(run())


@pytest.mark.parametrize(
    "wrong", [{"max_item": 1 << 25}, {"metadata": bytes(16385)}, {"streams": -1}, {"prefetch": -1}, {"window": -1}]
)
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Options(**wrong)


def test_small_items_share_messages() -> None:
    async def run() -> None:
        left, right = pair()
        a = Session(left)
        await right.send(frames.encode(frames.Hello(64, 1, 5000, 1 << 20)))
        sizes: list[int] = []

        async def listen() -> None:
            while (message := await right.receive()) is not None:
                sizes.append(len(message))

        listening = asyncio.ensure_future(listen())
        out = await a.open()
        for _ in range(5000):
            await out.write(bytes(64))
        await a.close()
        await right.close()
        await listening
        assert max(sizes) <= 1 << 16
        assert len(sizes) < 5000 * 73 / 30_000 + 4

    asyncio.run(run())

"""Against the omni tool, both ways, over every transport."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from omnistreams import Call, Code, Incoming, Options, StreamError, connect, named, serve

from conftest import PYTHON_ECHO, listening, program

URLS = ["tcp://127.0.0.1:0", "ws://127.0.0.1:0/", "unix:"]


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param) + (str(tmp_path / "s") if request.param == "unix:" else "")


async def ask(call: Call, items: list[bytes]) -> list[bytes]:
    """Write items and read the answer at the same time."""

    async def write() -> None:
        for item in items:
            await call.write(item)
        call.end()

    writing = asyncio.ensure_future(write())
    answer = [item async for item in call]
    await writing
    await call.wait_closed()
    return answer


def test_calls_to_omni_echo(omni: str, url: str) -> None:
    async def run() -> None:
        async with listening(omni, "echo", "-l", url) as there, connect(there) as session:
            items = [b"", b"pull", bytes(200_000), *(str(n).encode() for n in range(3000))]
            async with session.call(named("any", a=1)) as call:
                assert await ask(call, items) == items
                assert (await call.answer()).metadata == b'{"name":"any","a":1}'
        assert session.engine.own_slots == 0

    asyncio.run(run())


def test_many_calls_at_once(omni: str, url: str) -> None:
    """More than there are slots: the others wait for one."""

    async def run() -> None:
        async with listening(omni, "echo", "-l", url) as there, connect(there) as session:
            slots = (await session.ready()).streams

            async def one(n: int) -> None:
                items = [b"%d.%d" % (n, i) for i in range(20)]
                async with session.call() as call:
                    assert await ask(call, items) == items

            await asyncio.gather(*(one(n) for n in range(slots * 2)))

    asyncio.run(run())


def test_ends_that_are_not_clean(omni: str, url: str) -> None:
    async def run() -> None:
        async with listening(omni, "echo", "-l", url) as there, connect(there) as session:
            async with session.call() as call:  # the writer breaks off
                await call.write(b"a")
                assert await call.read() == b"a"
                call.fail(300, "broken")
                with pytest.raises(StreamError) as caught:
                    await call.read()
                assert (caught.value.code, caught.value.reason, caught.value.remote) == (300, "broken", True)
            async with session.call() as call:  # the reader has had enough
                await call.write(b"a")
                assert await call.read() == b"a"
                (await call.answer()).cancel(301, "enough")
                with pytest.raises(StreamError) as caught:
                    await call.wait_closed()
                assert caught.value.code == 301
            with pytest.raises(StreamError) as caught:  # one-way streams are refused
                async with session.open(b"x") as out:
                    await out.wait_closed()
            assert caught.value.code == Code.REFUSED

    asyncio.run(run())


def test_omni_pipe_to_the_echo_program(omni: str, url: str) -> None:
    data = bytes(range(256)) * 12_000

    async def run() -> None:
        async with listening(*PYTHON_ECHO, "-l", url) as there:
            pipe = await asyncio.create_subprocess_exec(
                omni, "pipe", "-c", there, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            out, _ = await asyncio.wait_for(pipe.communicate(data), 30)
            assert pipe.returncode == 0
            assert out == data

    asyncio.run(run())


@pytest.mark.parametrize("echo", ["omni", "python"])
def test_echo_connects_to_a_server(omni: str, url: str, echo: str) -> None:
    """The side that listens may call just as well."""

    async def run() -> None:
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def handler(stream: Incoming) -> None:
            stream.refuse("no")

        async with serve(url, handler) as server:
            command = [omni, "echo"] if echo == "omni" else PYTHON_ECHO
            async with program(*command, "-c", server.url):
                while not server.sessions:
                    await asyncio.sleep(0.01)
                items = [b"%d" % n for n in range(500)]
                async with server.sessions[0].call(b"m") as call:
                    assert await ask(call, items) == items
                called.set_result(None)
        await called

    asyncio.run(run())


@pytest.mark.parametrize("echo", ["omni", "python"])
def test_backpressure_reaches_the_writer(omni: str, url: str, echo: str) -> None:
    """The echo asks for what its answer is asked: an answer that nobody reads
    stops the question, and another call goes on."""

    async def run() -> None:
        options = Options(prefetch=4, window=1 << 20)
        command = [omni, "echo"] if echo == "omni" else PYTHON_ECHO
        async with listening(*command, "-l", url) as there, connect(there, options) as session:
            written = 0

            async def write(call: Call) -> None:
                nonlocal written
                while True:
                    await call.write(bytes(1000))
                    written += 1

            async with session.call() as stuck:
                writing = asyncio.ensure_future(write(stuck))
                await stuck.answer()
                async with session.call() as other:
                    assert await ask(other, [b"x"] * 100) == [b"x"] * 100
                assert written == 4
                assert await stuck.read() == bytes(1000)
                assert await stuck.read() == bytes(1000)
                async with session.call() as other:
                    assert await ask(other, [b"x"] * 100) == [b"x"] * 100
                assert 4 < written <= 8
                writing.cancel()

    asyncio.run(run())

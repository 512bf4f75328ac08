"""L9: the network is only a longer pipe. The same random program leaves the
same trace in memory and over every transport."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from omnistreams import Call, Incoming, Options, Session, StreamError, connect, serve
from omnistreams.memory import pair

Trace = dict[str, list[object]]


async def answer(stream: Incoming) -> None:
    """Answer as the call's metadata says: with all items, or an end before."""
    how, _, count = stream.metadata.decode().partition(" ")
    if how == "refuse":
        stream.refuse("refused")
        return
    async with stream.reply(stream.metadata) as out:
        taken = 0
        async for item in stream:
            if taken == int(count):
                if how == "fail":
                    out.fail(300, "failed")
                    stream.cancel(302, "not this")
                    return
                if how == "cancel":
                    stream.cancel(301, "canceled")
                    break
            taken += 1
            await out.write(item[::-1])


async def program(session: Session, rng: random.Random) -> Trace:
    """Make calls, a few at a time; return what they saw."""
    trace: Trace = {}

    async def one(n: int, how: str, items: list[bytes]) -> None:
        # What the two ends see has an order of its own each.
        seen: list[object] = []
        wrote: list[object] = []
        trace[f"{n} {how} reader"], trace[f"{n} {how} writer"] = seen, wrote

        async def write(call: Call) -> None:
            try:
                for item in items:
                    await call.write(item)
                call.end()
                await call.wait_closed()
                wrote.append("taken")
            except StreamError as error:
                wrote.append((error.code, error.reason, error.remote))

        async with session.call(how.encode()) as call:
            writing = asyncio.ensure_future(write(call))
            try:
                async for item in call:
                    seen.append(item)
                seen.append("end")
            except StreamError as error:
                seen.append((error.code, error.reason, error.remote))
            await writing

    calls = []
    for n in range(12):
        how = f"{rng.choice(['all', 'fail', 'cancel', 'refuse'])} {rng.randrange(30)}"
        sizes = [rng.choice([0, 1, 100, 60_000]) for _ in range(40)]
        calls.append(one(n, how, [rng.randbytes(size) for size in sizes]))
    await asyncio.gather(*calls)
    return trace


async def over(url: str, seed: int) -> Trace:
    options = Options(max_item=64 << 10, streams=5, prefetch=3, window=70_000)
    rng = random.Random(seed)
    if url == "memory":
        left, right = pair()
        serving = asyncio.ensure_future(Session(right, options).serve(answer))
        async with Session(left, options) as session:
            trace = await program(session, rng)
        await serving
        return trace
    async with serve(url, answer, options) as server, connect(server.url, options) as session:
        return await program(session, rng)


@pytest.mark.parametrize("seed", range(4))
def test_traces(seed: int, tmp_path: Path) -> None:
    urls = ["tcp://127.0.0.1:0", f"unix:{tmp_path}/s", "ws://127.0.0.1:0/"]
    want = asyncio.run(over("memory", seed))
    assert len(want) == 24
    for url in urls:
        assert asyncio.run(over(url, seed)) == want, url

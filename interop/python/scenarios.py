"""What a drive does, in this order."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from typing import Callable

from omnistreams import Code, Session, StreamError, TooLarge, to_json

import breaks
from drive import ECHO, MAX_METADATA, PREFETCH, TAKEN, WINDOW, Drive, fails, greeting, last, named, small
from pattern import MAX_ITEM, Counter, Pattern, wrong
from streams import ask, down, drain, echo, fill, pour, read, read_end, read_tally, same

STREAMS = 100

# What a slow reader gets: one that the window's items stop, and one that its bytes do.
SLOW = [Pattern(300, 200_000, 100), Pattern(301, 8_000_000, 30_000)]


async def no_more(session: Session) -> None:
    """Make calls until one fails since the session is shutting down."""
    try:
        while True:
            await small(session)
    except StreamError as error:
        if error.code != Code.SHUTTING_DOWN:
            raise


async def stuck(session: Session, size: int, written: Callable[[], int | Awaitable[int]]) -> None:
    """Wait until a writer has used up the least window, and moves no more during ten calls."""
    least = min(PREFETCH, MAX_ITEM // size)
    most = TAKEN + min(PREFETCH, WINDOW // size)
    before = still = 0
    while still < 10:
        await small(session)
        now = written()
        if inspect.isawaitable(now):
            now = await now
        if now > most:
            raise wrong(
                f"{now} items of {size} bytes are written though the reader took {TAKEN}: at most {most} should be"
            )
        still = 0 if now < least or now != before else still + 1
        before = now


async def hello(d: Drive) -> None:
    """The other side has said who it is, in metadata of the greatest length."""
    metadata = (await d.session.ready()).metadata
    if metadata != greeting("serve"):
        raise wrong(f"HELLO has {len(metadata)} bytes of metadata, {metadata[:20]!r}")
    await small(d.session)


async def echoes(d: Drive) -> None:
    """What is sent comes back."""
    await echo(d.session, ECHO, Pattern(1, 1_000_000))


async def calls(d: Drive) -> None:
    """More at once than there are slots."""
    await asyncio.gather(*(echo(d.session, ECHO, Pattern(1 + i, 1000, 97)) for i in range(300)))


async def long(d: Drive) -> None:
    """Items of the greatest length pass, and a longer one fails alone."""
    pattern = Pattern(2, 3 * MAX_ITEM + 1, MAX_ITEM)
    call = await d.session.call(to_json(named("sink", pattern)))
    with fails(TooLarge, f"an item of {MAX_ITEM + 1} bytes"):
        await call.write(bytes(MAX_ITEM + 1))
    await fill(call, pattern)
    await down(d.session, pattern)


async def metadata(d: Drive) -> None:
    """Metadata of the greatest length passes, and longer it fails alone."""
    about = {"name": "echo", "reason": ""}
    about["reason"] = "m" * (MAX_METADATA - len(to_json(about)))
    with fails(TooLarge, f"metadata of {MAX_METADATA + 1} bytes"):
        await d.session.call(to_json(about) + b" ")
    await echo(d.session, to_json(about), Pattern(3, 1000))


async def one_way(d: Drive) -> None:
    """The writer gets a receipt."""

    async def one(i: int) -> None:
        pattern = Pattern(10 + i, 100_000)
        out = await d.session.open(to_json(named("sink", pattern, id=f"one-way {i}")))
        sent = await pour(out, pattern)
        await out.wait_closed()
        same(await last(d.session, f"one-way {i}", True), sent)

    await asyncio.gather(*(one(i) for i in range(10)))


async def hundred_up(d: Drive) -> int:
    """So many streams at once to the server, all open before the first item goes out."""
    patterns = [Pattern(100 + i, d.size) for i in range(STREAMS)]
    calls = [await d.session.call(to_json(named("sink", pattern))) for pattern in patterns]
    await asyncio.gather(*map(fill, calls, patterns))
    return STREAMS * d.size


async def hundred_down(d: Drive) -> int:
    """So many from the server, all asked for before the first item is read."""
    patterns = [Pattern(200 + i, d.size) for i in range(STREAMS)]
    calls = [await ask(d.session, named("source", p, id=f"down {i}")) for i, p in enumerate(patterns)]

    async def one(i: int) -> None:
        got = await drain(calls[i], patterns[i])
        same(await last(d.session, f"down {i}", True), got)

    await asyncio.gather(*(one(i) for i in range(STREAMS)))
    return STREAMS * d.size


async def slow_up(d: Drive) -> None:
    """While the server's reader stands still, this writer gets no further than
    the window, and other calls go on."""
    for pattern in SLOW:
        name = f"slow-up {pattern.seed}"
        call = await d.session.call(to_json(named("sink", pattern, id=name, stop=TAKEN)))
        written = 0

        def wrote(counter: Counter) -> None:
            nonlocal written
            written = counter.items

        writing = asyncio.create_task(pour(call, pattern, wrote))
        if (item := await call.read()) != b"still":
            raise wrong(f"instead of standing still: {item!r}")
        await stuck(d.session, pattern.size, lambda: written)
        await read_end(await ask(d.session, {"name": "go", "id": name}))
        sent = await writing
        same(await read_tally(call), sent)


async def slow_down(d: Drive) -> None:
    """The same with this reader and the server's writer."""
    for pattern in SLOW:
        name = f"slow-down {pattern.seed}"
        call = await ask(d.session, named("source", pattern, id=name))
        counter = Counter(pattern)
        await read(call, counter, TAKEN)

        async def written() -> int:
            items: int = (await last(d.session, name, False))["items"]
            return items

        await stuck(d.session, pattern.size, written)
        await read(call, counter)
        same(await last(d.session, name, True), counter.tally())


async def back(d: Drive) -> None:
    """The server opens streams to this side."""
    await read_end(await ask(d.session, named("back", Pattern(500, 1_000_000))))


async def shutdown(d: Drive) -> None:
    """A stream that lives when it begins comes to its end, a new one is not
    opened, and both sides say goodbye."""
    pattern = Pattern(600, 1_000_000)
    call = await ask(d.session, named("source", pattern))
    counter = Counter(pattern)
    await read(call, counter, 1)
    over = asyncio.create_task(d.session.shutdown())
    await no_more(d.session)
    await read(call, counter)
    await over


async def leave(d: Drive) -> None:
    """The same when the server begins it."""
    pattern = Pattern(601, 1_000_000)
    call = await ask(d.session, named("source", pattern))
    counter = Counter(pattern)
    await read(call, counter, 1)
    await read_end(await ask(d.session, {"name": "leave"}))
    await no_more(d.session)
    await read(call, counter)
    await d.session.wait_closed()


Scenario = Callable[[Drive], Awaitable[int | None]]

SCENARIOS: dict[str, Scenario] = {
    "hello": hello,
    "echo": echoes,
    "calls": calls,
    "long": long,
    "metadata": metadata,
    "one-way": one_way,
    "hundred-up": hundred_up,
    "hundred-down": hundred_down,
    "slow-up": slow_up,
    "slow-down": slow_down,
    "cancel-up": breaks.cancel_up,
    "cancel-down": breaks.cancel_down,
    "give-up": breaks.give_up,
    "fail-up": breaks.fail_up,
    "fail-down": breaks.fail_down,
    "refuse": breaks.refuse,
    "churn": breaks.churn,
    "back": back,
    "shutdown": shutdown,
    "leave": leave,
    "abrupt": breaks.abrupt,
}

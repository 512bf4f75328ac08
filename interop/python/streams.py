"""What handlers and scenarios do with streams."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Callable, Protocol

from omnistreams import Call, OmniError, Session, Writer, to_json

from pattern import Counter, Pattern, wrong

Tally = dict[str, Any]


class Readable(Protocol):
    async def read(self) -> bytes | None: ...

    def cancel(self, code: int = ..., reason: str = ...) -> None: ...


async def pour(out: Writer, pattern: Pattern, wrote: Callable[[Counter], None] | None = None) -> Tally:
    """Write all items of a pattern and the end; return the tally."""
    counter = Counter(pattern)
    for item in pattern.items():
        await out.write(item)
        counter.add(item)
        if wrote:
            wrote(counter)
    out.end()
    return counter.tally()


async def read(incoming: Readable, counter: Counter, n: int | None = None) -> None:
    """Read n items of a pattern, or all and the end."""
    while n is None or n > 0:
        item = await incoming.read()
        if item is None:
            if n is None:
                return counter.complete()
            raise wrong(f"the stream ends, and {n} more items should come")
        try:
            counter.take(item)
        except OmniError as error:
            incoming.cancel(error.code, error.reason)
            raise
        if n is not None:
            n -= 1


async def drain(incoming: Readable, pattern: Pattern) -> Tally:
    """Read a pattern to the end; return the tally."""
    counter = Counter(pattern)
    await read(incoming, counter)
    return counter.tally()


async def ask(session: Session, about: dict[str, Any]) -> Call:
    """Call without items."""
    call = await session.call(to_json(about))
    call.end()
    return call


async def read_end(incoming: Readable) -> None:
    """Read the end, and nothing before it."""
    item = await incoming.read()
    if item is not None:
        raise wrong(f"instead of the end: {item!r:.40}")


async def read_tally(incoming: Readable) -> Tally:
    """Read one tally and the end."""
    item = await incoming.read()
    if item is None:
        raise wrong("the stream ends before the tally")
    await read_end(incoming)
    tally: Tally = json.loads(item)
    return tally


def same(saw: Tally, want: Tally) -> None:
    if saw != want:
        raise wrong(f"the other side saw {saw} instead of {want}")


async def fill(call: Call, pattern: Pattern) -> None:
    """Write a pattern to a sink that was called."""
    sent = await pour(call, pattern)
    await call.wait_closed()
    same(await read_tally(call), sent)


async def up(session: Session, pattern: Pattern) -> None:
    """Send a pattern to the other side's sink, and check what that says."""
    await fill(await session.call(to_json({"name": "sink", **vars(pattern)})), pattern)


async def down(session: Session, pattern: Pattern) -> None:
    """Read a pattern from the other side's source."""
    await drain(await ask(session, {"name": "source", **vars(pattern)}), pattern)


async def echo(session: Session, metadata: bytes, pattern: Pattern) -> None:
    """Send a pattern and read it again."""
    call = await session.call(metadata)

    async def answered() -> None:
        if (await call.answer()).metadata != metadata:
            raise wrong("the answer has other metadata than the call")
        await drain(call, pattern)

    await asyncio.gather(pour(call, pattern), answered())

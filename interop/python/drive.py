"""What the scenarios share: a drive, and calls that all of them make."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from omnistreams import OmniError, Session, to_json

from pattern import Pattern, wrong
from streams import Tally, ask, echo, read_tally

MAX_METADATA = 16 << 10
PREFETCH = 64  # items that each peer lets come ahead of a reader
WINDOW = 512 << 10  # the same in bytes
TAKEN = 10  # items before a reader stands still, or cancels
ECHO = to_json({"name": "echo"})


@dataclass
class Drive:
    """One run of a scenario against a server."""

    session: Session
    size: int  # bytes of each of the hundred streams


def greeting(name: str) -> bytes:
    """Return the metadata of HELLO."""
    return f"interop {name} ".ljust(MAX_METADATA, ".").encode()


def named(name: str, pattern: Pattern, **members: Any) -> dict[str, Any]:
    return {"name": name, **vars(pattern), **members}


async def last(session: Session, name: str, wait: bool) -> Tally:
    """Ask what the other side saw of a stream, with wait once that is over."""
    return await read_tally(await ask(session, {"name": "last", "id": name, "wait": wait}))


async def small(session: Session) -> None:
    """A call that goes to and fro."""
    await echo(session, ECHO, Pattern(4, 10))


@contextlib.contextmanager
def fails(kind: type[OmniError], what: str) -> Iterator[None]:
    try:
        yield
    except kind:
        return
    raise wrong(f"{what} does not fail")

"""JSON and bytes over streams, and handlers by name."""

from __future__ import annotations

import json
from typing import Any, AsyncIterable, AsyncIterator, Awaitable, Callable, TypeVar

from .errors import Code, StreamError, TooLarge
from .streams import Incoming, Writer

PIECE = 32 << 10  # the items that bytes are cut into


def named(name: str, **members: Any) -> bytes:
    """Make the metadata of a routed stream: a JSON object with a name (rule 14)."""
    return to_json({"name": name, **members})


def to_json(value: Any) -> bytes:
    """Encode a value as one item of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


async def write_json(writer: Writer, value: Any) -> None:
    """Write one value as an item of JSON."""
    await writer.write(to_json(value))


async def read_json(items: AsyncIterable[bytes]) -> AsyncIterator[Any]:
    """Iterate over items of JSON as values. ValueError for one that is not JSON."""
    async for item in items:
        yield json.loads(item)


async def write_bytes(writer: Writer, data: bytes) -> None:
    """Write bytes of any length, cut into items. It does not end the stream."""
    size = max(1, min(PIECE, writer.max_item))
    view = memoryview(data)
    for at in range(0, len(view), size):
        await writer.write(bytes(view[at : at + size]))


async def read_bytes(items: AsyncIterable[bytes], limit: int = 64 << 20) -> bytes:
    """Read a stream to its end as bytes. TooLarge when they are over limit."""
    data = bytearray()
    async for item in items:
        data += item
        if len(data) > limit:
            raise TooLarge(len(data), limit)
    return bytes(data)


H = TypeVar("H", bound=Callable[[Incoming], Awaitable[None]])


class Router:
    """Picks the handler of a stream by the name in its metadata (rule 14).

    The router is a handler itself: `serve(url, router)`. It refuses names that
    it does not know.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[[Incoming], Awaitable[None]]] = {}

    def route(self, name: str) -> Callable[[H], H]:
        """Decorate the handler of that name."""

        def add(handler: H) -> H:
            if name in self._handlers:
                raise ValueError(f"{name!r} has a handler")
            self._handlers[name] = handler
            return handler

        return add

    async def __call__(self, stream: Incoming) -> None:
        name = _name(stream.metadata)
        handler = self._handlers.get(name) if name is not None else None
        if handler is None:
            raise StreamError(Code.REFUSED, "no such name" if name is not None else "metadata has no name")
        await handler(stream)


def _name(metadata: bytes) -> str | None:
    try:
        about = json.loads(metadata.decode())
    except (ValueError, RecursionError):
        return None
    name = about.get("name") if isinstance(about, dict) else None
    return name if isinstance(name, str) else None

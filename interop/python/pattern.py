"""The items that streams of the matrix carry: README.md, one folder up, says how they are made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable

from omnistreams import OmniError, StreamError

PERIOD = 65521  # bytes after which the content repeats
LONGEST = 32749  # of the sizes that are drawn
MAX_ITEM = 256 << 10  # the longest item that each peer accepts


def draws(x: int) -> Callable[[], int]:
    """Make the generator that all peers implement alike: xorshift32."""

    def draw() -> int:
        nonlocal x
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        return x

    return draw


def _content() -> bytes:
    """Make the content: room for an item of any length that begins anywhere in the period."""
    draw = draws(0x4F4D4E49)
    return bytes(draw() >> 24 for _ in range(PERIOD)) * (2 + MAX_ITEM // PERIOD)


CONTENT = _content()


Item = bytes  # the name means something else in Pattern


@dataclass(frozen=True)
class Pattern:
    """What the items of a stream are; a part of the metadata."""

    seed: int
    bytes: int  # of all items together
    size: int = 0  # of each item but the last; 0: drawn

    @staticmethod
    def of(about: dict[str, Any]) -> Pattern:
        return Pattern(about["seed"], about["bytes"], about.get("size", 0))

    def items(self) -> Iterator[Item]:
        draw = draws(self.seed * 2654435761 & 0xFFFFFFFF)
        at = 0
        while at < self.bytes:
            size = self.size
            if not size and (x := draw()) % 16:
                size = 1 + (x >> 4) % LONGEST
            size = min(size, self.bytes - at)
            start = (self.seed % PERIOD * 7919 + at) % PERIOD
            at += size
            yield CONTENT[start : start + size]


class Counter:
    """Counts and digests the items that pass one end of a stream, and checks them."""

    def __init__(self, pattern: Pattern) -> None:
        self.items = 0
        self.bytes = 0
        self._hash = hashlib.sha256()
        self._pattern = pattern
        self._due = pattern.items()

    def take(self, item: bytes) -> None:
        """Count an item that was read; raise if it is not the one that is due."""
        due = next(self._due, None)
        if due is None:
            raise wrong(f"item {self.items} of {len(item)} bytes comes behind the last")
        if len(item) != len(due):
            raise wrong(f"item {self.items} has {len(item)} bytes instead of {len(due)}")
        if item != due:
            raise wrong(f"item {self.items} has other bytes than it should")
        self.add(item)

    def add(self, item: bytes) -> None:
        """Count an item that was written."""
        self.items += 1
        self.bytes += len(item)
        self._hash.update(item)

    def complete(self) -> None:
        """Raise if items are missing."""
        if self.bytes < self._pattern.bytes:
            raise wrong(f"the stream ends after {self.bytes} of {self._pattern.bytes} bytes")

    def tally(self, error: OmniError | None = None) -> dict[str, Any]:
        """Return what sink and last answer; with an error, how the stream broke off."""
        return {
            "items": self.items,
            "bytes": self.bytes,
            "code": int(error.code) if error else 0,
            "reason": error.reason if error else "",
            "sha256": self._hash.hexdigest(),
        }


def wrong(reason: str) -> StreamError:
    """Return what a stream ends with that is not as it should be."""
    return StreamError(256, reason)

"""A message being put together from frames."""

from __future__ import annotations

from . import frames

# Messages are filled up to here. What is beyond leaves room for the words on
# stream 0, which follow the streams' frames.
TARGET = frames.MIN_MESSAGE - 2048


class Parts:
    """The frames of one message, as bytes."""

    __slots__ = ("parts", "size")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def fits(self, size: int) -> bool:
        """Say whether that much has room. The first frame always has: alone."""
        return self.size == 0 or self.size + size <= TARGET

    @property
    def full(self) -> bool:
        return self.size > TARGET

    def add(self, frame: frames.Frame) -> None:
        """Append a frame."""
        raw = frames.encode(frame)
        self.parts.append(raw)
        self.size += len(raw)

    def add_item(self, stream: int, item: bytes) -> None:
        """Append DATA, without copying the item twice."""
        self.parts.append(frames.HEADER.pack(frames.DATA, stream, len(item)))
        self.parts.append(item)
        self.size += frames.HEADER_SIZE + len(item)

    def message(self) -> bytes | None:
        """Return the whole message, None if there is nothing in it."""
        return b"".join(self.parts) if self.parts else None

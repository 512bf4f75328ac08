"""The nine frames: dataclasses, how they become bytes, and the checks of form.

Form is what shows without knowing any stream (SPEC.md, rules 0, 1 and 9). All
integers are unsigned and big-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Union

from .errors import Code, broken

HELLO, OPEN, DATA, END, FAIL, REQUEST, CLOSE, PING, PONG = range(9)
FIRST_IGNORED = 128

ONE_WAY, CALL, ANSWER = range(3)  # the kinds of OPEN

MAGIC = b"OMNI"
VERSION = 1
MAX_METADATA = 16 << 10
MAX_REASON = 1 << 10
MAX_ITEM = 1 << 24
MIN_MESSAGE = 1 << 16  # every side takes messages of this length
MAX_TOTAL = (1 << 53) - 1  # as a total of bytes: not counted
MAX_NUMBER = (1 << 32) - 1

HEADER = struct.Struct(">BII")  # type, stream, length of the payload
HEADER_SIZE = HEADER.size
_HELLO = struct.Struct(">4sBIIII")
_OPEN = struct.Struct(">BI")
_CODE = struct.Struct(">I")
_TOTALS = struct.Struct(">QQ")


@dataclass(frozen=True)
class Hello:
    """Who a side is and what it takes (rule 1)."""

    max_item: int
    streams: int
    items: int
    nbytes: int
    metadata: bytes = b""
    version: int = VERSION
    stream: int = 0


@dataclass(frozen=True)
class Open:
    stream: int
    kind: int
    answers: int
    metadata: bytes


@dataclass(frozen=True)
class Data:
    stream: int
    item: bytes


@dataclass(frozen=True)
class End:
    stream: int


@dataclass(frozen=True)
class Fail:
    stream: int
    code: int
    reason: str


@dataclass(frozen=True)
class Request:
    stream: int
    items: int
    nbytes: int


@dataclass(frozen=True)
class Close:
    stream: int
    code: int
    reason: str


@dataclass(frozen=True)
class Ping:
    payload: bytes
    stream: int = 0


@dataclass(frozen=True)
class Pong:
    payload: bytes
    stream: int = 0


@dataclass(frozen=True)
class Ignored:
    """A frame of the types 128 to 255, which mean nothing."""

    type: int
    stream: int
    payload: bytes


Frame = Union[Hello, Open, Data, End, Fail, Request, Close, Ping, Pong, Ignored]


def as_bytes(data: object) -> bytes:
    """Return bytes, or a copy of what is like them. Nothing else that `bytes` takes:
    of a number it would make so many zeros."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"items and metadata are bytes, not {type(data).__name__}")
    return bytes(data)


def message_limit(max_item: int) -> int:
    """Return the longest message that a side with this max_item takes."""
    return max(MIN_MESSAGE, HEADER_SIZE + max_item)


# Encoding


def cut_reason(reason: str) -> bytes:
    """Encode a reason, cut after the last whole rune that fits (rule 9)."""
    raw = reason.encode("utf-8", "replace")
    if len(raw) <= MAX_REASON:
        return raw
    # Decoding drops the rune that the cut went through.
    return raw[:MAX_REASON].decode("utf-8", "ignore").encode()


def encode(f: Frame) -> bytes:
    """Return the frame's bytes, header included."""
    if isinstance(f, Hello):
        fixed = _HELLO.pack(MAGIC, f.version, f.max_item, f.streams, f.items, f.nbytes)
        return _whole(HELLO, 0, fixed + f.metadata)
    if isinstance(f, Open):
        return _whole(OPEN, f.stream, _OPEN.pack(f.kind, f.answers) + f.metadata)
    if isinstance(f, Data):
        return _whole(DATA, f.stream, f.item)
    if isinstance(f, End):
        return _whole(END, f.stream, b"")
    if isinstance(f, Fail):
        return _whole(FAIL, f.stream, _CODE.pack(f.code) + cut_reason(f.reason))
    if isinstance(f, Request):
        return _whole(REQUEST, f.stream, _TOTALS.pack(f.items, f.nbytes))
    if isinstance(f, Close):
        return _whole(CLOSE, f.stream, _CODE.pack(f.code) + cut_reason(f.reason))
    if isinstance(f, Ping):
        return _whole(PING, 0, f.payload)
    if isinstance(f, Pong):
        return _whole(PONG, 0, f.payload)
    return _whole(f.type, f.stream, f.payload)


def _whole(type_: int, stream: int, payload: bytes) -> bytes:
    return HEADER.pack(type_, stream, len(payload)) + payload


# Decoding


def decode(message: bytes, at: int, max_item: int, *, first: bool) -> tuple[Frame, int]:
    """Take the frame that begins at `at`; return it and where the next begins.

    max_item is the receiver's; first says that no frame has come before, so
    this one has to be HELLO. Raises ProtocolError if the form is wrong.
    """
    if len(message) - at < HEADER_SIZE:
        raise broken(0, Code.PROTOCOL, "frame is cut")
    type_, stream, length = HEADER.unpack_from(message, at)
    at += HEADER_SIZE
    if len(message) - at < length:
        raise broken(0, Code.PROTOCOL, "frame is cut")
    if first and type_ != HELLO:
        raise broken(1, Code.PROTOCOL, "hello must come first")
    end = at + length
    return _check(type_, stream, message[at:end], max_item), end


def _check(type_: int, stream: int, payload: bytes, max_item: int) -> Frame:
    """Make the frame of a whole payload, checking in the order of rule 9."""
    if type_ >= FIRST_IGNORED:
        return Ignored(type_, stream, payload)
    if type_ == HELLO:
        return _hello(stream, payload)
    if type_ > PONG:
        raise broken(0, Code.PROTOCOL, f"unknown frame type {type_}")
    # 0 is the session: some types are about streams only, some never are.
    if (stream == 0 and type_ in (OPEN, DATA, REQUEST)) or (stream != 0 and type_ in (PING, PONG)):
        raise broken(0, Code.PROTOCOL, "stream number does not suit the type")
    if type_ == DATA:
        if len(payload) > max_item:
            raise broken(4, Code.TOO_LARGE, f"item too long: {len(payload)} bytes, max_item is {max_item}")
        return Data(stream, payload)
    if type_ == OPEN:
        return _open(stream, payload)
    if type_ == END:
        _fixed(payload, 0)
        return End(stream)
    if type_ == REQUEST:
        _fixed(payload, _TOTALS.size)
        items, nbytes = _TOTALS.unpack(payload)
        if items > MAX_TOTAL or nbytes > MAX_TOTAL:
            raise broken(2, Code.PROTOCOL, "total too large")
        return Request(stream, items, nbytes)
    if type_ in (FAIL, CLOSE):
        code, reason = _reason(payload)
        return Fail(stream, code, reason) if type_ == FAIL else Close(stream, code, reason)
    _fixed(payload, 8)
    return Ping(payload) if type_ == PING else Pong(payload)


def _fixed(payload: bytes, length: int) -> None:
    if len(payload) != length:
        raise broken(0, Code.PROTOCOL, f"wrong length: {len(payload)} bytes, not {length}")


def _limit(payload: bytes, limit: int) -> None:
    if len(payload) > limit:
        raise broken(9, Code.TOO_LARGE, f"too long: {len(payload)} bytes, the limit is {limit}")


def _hello(stream: int, payload: bytes) -> Hello:
    # Magic and version come before all else: a peer of any version, and one
    # of another protocol, shall learn that first.
    if len(payload) >= 4 and payload[:4] != MAGIC:
        raise broken(1, Code.VERSION, "not this protocol")
    if len(payload) >= 5 and payload[4] == 0:
        raise broken(1, Code.VERSION, "bad version")
    if stream != 0:
        raise broken(0, Code.PROTOCOL, "stream number does not suit the type")
    if len(payload) < _HELLO.size:
        raise broken(1, Code.PROTOCOL, "bad hello")
    _limit(payload, _HELLO.size + MAX_METADATA)
    _, version, max_item, streams, items, nbytes = _HELLO.unpack_from(payload)
    if max_item > MAX_ITEM:
        raise broken(1, Code.PROTOCOL, "bad hello")
    if items > 0 and nbytes < max_item:
        raise broken(3, Code.PROTOCOL, "items without bytes")
    return Hello(max_item, streams, items, nbytes, payload[_HELLO.size :], version)


def _open(stream: int, payload: bytes) -> Open:
    if len(payload) < _OPEN.size:
        raise broken(0, Code.PROTOCOL, "wrong length")
    _limit(payload, _OPEN.size + MAX_METADATA)
    kind, answers = _OPEN.unpack_from(payload)
    if kind > ANSWER or (kind == ANSWER) != (answers != 0):
        raise broken(0, Code.PROTOCOL, "bad kind or answers")
    return Open(stream, kind, answers, payload[_OPEN.size :])


def _reason(payload: bytes) -> tuple[int, str]:
    if len(payload) < _CODE.size:
        raise broken(0, Code.PROTOCOL, "wrong length")
    _limit(payload, _CODE.size + MAX_REASON)
    (code,) = _CODE.unpack_from(payload)
    return code, payload[_CODE.size :].decode("utf-8", "replace")



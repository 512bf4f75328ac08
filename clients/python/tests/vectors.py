"""Reading the golden vectors: bytes, frames and sides in the files' notation."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from omnistreams import frames

VECTORS = Path(os.environ.get("OMNI_VECTORS", Path(__file__).parents[3] / "testdata" / "vectors"))

FIELDS = {
    "HELLO": {"version", "max_item", "streams", "items", "bytes", "metadata"},
    "OPEN": {"kind", "answers", "metadata"},
    "DATA": {"item"},
    "END": set(),
    "FAIL": {"code", "reason"},
    "REQUEST": {"items", "bytes"},
    "CLOSE": {"code", "reason"},
    "PING": {"payload"},
    "PONG": {"payload"},
}
NAMES = list(FIELDS)


def load(name: str) -> Any:
    """Read one of the three files."""
    data = json.loads((VECTORS / name).read_text("utf-8"))
    assert data["protocol"] == 1
    return data


def unhex(text: str) -> bytes:
    """Read bytes: tokens of hex, perhaps repeated."""
    out = b""
    for token in text.split():
        digits, _, times = token.partition("*")
        out += bytes.fromhex(digits) * (int(times) if times else 1)
    return out


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with bytes instead of the notation."""
    return {k: unhex(v) if k in ("metadata", "item", "payload") else v for k, v in row.items()}


def to_frame(row: dict[str, Any]) -> frames.Frame:
    """Make the frame of a row, all of whose fields must be there."""
    name, stream = row["type"], row["stream"]
    r = plain({k: v for k, v in row.items() if k not in ("type", "stream")})
    assert set(r) == FIELDS.get(name, {"payload"}), row
    if name == "HELLO":
        assert stream == 0
        return frames.Hello(r["max_item"], r["streams"], r["items"], r["bytes"], r["metadata"], r["version"])
    if name == "OPEN":
        return frames.Open(stream, r["kind"], r["answers"], r["metadata"])
    if name == "DATA":
        return frames.Data(stream, r["item"])
    if name == "END":
        return frames.End(stream)
    if name == "FAIL":
        return frames.Fail(stream, r["code"], r["reason"])
    if name == "REQUEST":
        return frames.Request(stream, r["items"], r["bytes"])
    if name == "CLOSE":
        return frames.Close(stream, r["code"], r["reason"])
    if name in ("PING", "PONG"):
        assert stream == 0
        return frames.Ping(r["payload"]) if name == "PING" else frames.Pong(r["payload"])
    assert 128 <= int(name) <= 255
    return frames.Ignored(int(name), stream, r["payload"])


def to_row(f: frames.Frame) -> dict[str, Any]:
    """Return a frame as a row, with bytes instead of the notation."""
    row: dict[str, Any] = dict(vars(f))
    if isinstance(f, frames.Ignored):
        row["type"] = str(f.type)
    else:
        row["type"] = type(f).__name__.upper()
    if "nbytes" in row:
        row["bytes"] = row.pop("nbytes")
    return row


def split(message: bytes) -> list[frames.Frame]:
    """Cut a message into its frames."""
    out, at = [], 0
    while at < len(message):
        frame, at = frames.decode(message, at, frames.MAX_ITEM, first=False)
        out.append(frame)
    return out


def side_hello(side: dict[str, Any]) -> frames.Hello:
    """Return the HELLO of the side under test."""
    assert set(side) <= {"max_item", "streams", "items", "bytes", "metadata", "own_next"}
    return frames.Hello(side["max_item"], side["streams"], side["items"], side["bytes"], unhex(side["metadata"]))

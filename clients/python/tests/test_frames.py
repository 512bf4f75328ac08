"""The frames, against frames.json and malformed.json."""

from __future__ import annotations

from typing import Any

import pytest
from omnistreams import ProtocolError, frames
from omnistreams.engine import Engine

from vectors import load, side_hello, split, to_frame, unhex

FRAMES = load("frames.json")
MALFORMED = load("malformed.json")
PEER = frames.encode(frames.Hello(16, 4, 4, 64))


@pytest.mark.parametrize("row", FRAMES["messages"], ids=lambda row: row["name"])
def test_frames(row: dict[str, Any]) -> None:
    assert set(row) <= {"name", "hex", "frames", "decode_only"}
    want = [to_frame(f) for f in row["frames"]]
    message = unhex(row["hex"])
    got, at = [], 0
    while at < len(message):
        frame, at = frames.decode(message, at, FRAMES["max_item"], first=False)
        got.append(frame)
    assert got == want
    if not row.get("decode_only"):
        assert b"".join(frames.encode(f) for f in want) == message


@pytest.mark.parametrize("row", MALFORMED["messages"], ids=lambda row: f"{row['phase']}: {row['name']}")
def test_malformed(row: dict[str, Any]) -> None:
    """The engine takes the good frames, then answers with FAIL on 0."""
    assert set(row) <= {"name", "phase", "hex", "code", "rule", "good"}
    assert row["phase"] in ("first message", "after hello")
    engine = Engine(side_hello(MALFORMED["side"]))
    engine.pack()  # our HELLO
    if row["phase"] == "after hello":
        engine.receive(PEER)
    good = 0
    handle = engine.receiver.handle

    def counting(frame: frames.Frame, now: float) -> None:
        nonlocal good
        handle(frame, now)
        good += 1

    engine.receiver.handle = counting  # type: ignore[method-assign, assignment]
    engine.receive(unhex(row["hex"]))
    assert isinstance(engine.error, ProtocolError)
    assert (good, engine.error.code) == (row["good"], row["code"])
    if row["phase"] == "after hello":
        assert engine.error.rule == row["rule"]
    sent = split(engine.pack() or b"")
    assert isinstance(sent[-1], frames.Fail)
    assert (sent[-1].stream, sent[-1].code) == (0, row["code"])
    assert sent[-1].reason.startswith(f"rule {engine.error.rule}: ")
    assert engine.pack() is None


def test_types_nine_to_127_are_errors_and_the_rest_is_ignored() -> None:
    for number in range(9, 256):
        engine = Engine(side_hello(MALFORMED["side"]))
        engine.receive(PEER)
        engine.receive(frames.encode(frames.Ignored(number, 3, b"x" * 30)))
        if number < 128:
            assert isinstance(engine.error, ProtocolError) and engine.error.code == 2
        else:
            assert engine.error is None and not engine.over


def test_unhex() -> None:
    assert unhex("00 61*3 0102") == b"\0aaa\1\2"

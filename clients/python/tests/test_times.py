"""What has to happen in time, on a clock that the test moves."""

from __future__ import annotations

import pytest
from omnistreams import ProtocolError, Times, frames
from omnistreams.engine import Engine
from vectors import split

HELLO = frames.Hello(1024, 4, 4, 4096)


class Side:
    """An engine whose time is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.engine = Engine(HELLO, clock=lambda: self.now)
        self.begun: float | None = None

    def greet(self) -> None:
        self.engine.receive(frames.encode(HELLO))
        assert self.sent() == [HELLO]

    def sent(self) -> list[frames.Frame]:
        message = self.engine.pack()
        return split(message) if message is not None else []

    def until(self, when: float) -> None:
        """Let time pass as the engine wants to be told of it."""
        while True:
            due = self.engine.tick(self.begun)
            if due > when or self.engine.over:
                break
            assert due >= self.now
            self.now = max(due, self.now + 0.001)
        self.now = max(self.now, when)
        self.engine.tick(self.begun)

    def fails(self, rule: int) -> None:
        error = self.engine.error
        assert isinstance(error, ProtocolError) and (error.code, error.rule) == (7, rule)
        last = self.sent()[-1]
        assert isinstance(last, frames.Fail) and (last.stream, last.code) == (0, 7)


def test_hello_is_late_after_ten_seconds() -> None:
    side = Side()
    side.until(109.9)
    assert not side.engine.over
    side.until(110)
    side.fails(1)


def test_silence_is_broken_by_a_ping_and_ends_without_a_pong() -> None:
    side = Side()
    side.greet()
    side.until(114.9)
    assert side.sent() == []
    side.until(115)
    (ping,) = side.sent()
    assert isinstance(ping, frames.Ping)
    side.engine.receive(frames.encode(frames.Pong(b"not mine")))  # proves nothing
    side.until(129.9)
    assert not side.engine.over
    side.until(130.1)
    side.fails(11)


def test_a_pong_keeps_the_session() -> None:
    side = Side()
    side.greet()
    for _ in range(5):
        side.until(side.now + 15)
        (ping,) = side.sent()
        assert isinstance(ping, frames.Ping)
        side.now += 14
        side.engine.receive(frames.encode(frames.Pong(ping.payload)))
    assert not side.engine.over


def test_any_byte_gives_both_times_again() -> None:
    side = Side()
    side.greet()
    for _ in range(5):
        side.until(side.now + 29)  # a PING is out since 14 seconds
        side.engine.time.alive(side.now)
        side.sent()
    side.until(side.now + 29.9)
    assert not side.engine.over
    side.until(side.now + 0.2)
    side.fails(11)


def test_a_peer_that_reads_nothing() -> None:
    side = Side()
    side.greet()
    moved = 0
    for _ in range(10):  # a byte now and then is enough
        side.engine.time.alive(side.now)
        side.engine.time.wrote(moved, 1000, side.now)
        side.until(side.now + 14)
        side.engine.time.alive(side.now)
        side.until(side.now + 14)
        moved += 1
    side.engine.time.wrote(moved, 1000, side.now)
    for _ in range(2):
        side.until(side.now + 14.9)
        side.engine.time.alive(side.now)
        side.engine.time.wrote(moved, 1001, side.now)
    assert not side.engine.over
    side.until(side.now + 0.3)
    side.fails(11)
    assert side.engine.error is not None and side.engine.error.reason == "rule 11: the peer did not read"


def test_a_ping_behind_what_still_moves_is_not_counted() -> None:
    side = Side()
    side.greet()
    side.engine.time.wrote(0, 1000, side.now)
    side.until(side.now + 15)
    side.sent()  # the PING, which is within the 1013 bytes
    moved = 0
    for _ in range(5):
        side.until(side.now + 10)
        moved += 200
        side.engine.time.wrote(moved, 1013, side.now)
    side.until(side.now + 14)
    side.engine.time.wrote(1013, 1013, side.now)  # now it is out
    side.until(side.now + 14.9)
    assert not side.engine.over
    side.until(side.now + 0.2)
    side.fails(11)


def test_a_flood_of_pings_owes_one_pong() -> None:
    side = Side()
    side.greet()
    for n in range(100):
        side.engine.receive(frames.encode(frames.Ping(b"%08d" % n)))
    assert side.sent() == [frames.Pong(b"00000099")]


def test_a_message_that_stalls() -> None:
    side = Side()
    side.greet()
    side.begun = side.now
    for _ in range(29):  # a byte now and then is a sign of life, but no more
        side.now += 1
        side.engine.time.alive(side.now)
        side.engine.tick(side.begun)
    assert not side.engine.over
    side.until(130)
    side.fails(0)


@pytest.mark.parametrize("goodbye, seconds", [(False, 1.0), (True, 5.0)])
def test_from_the_last_frame_to_the_closed_transport(goodbye: bool, seconds: float) -> None:
    side = Side()
    side.greet()
    if goodbye:
        side.engine.shutdown.begin("")
        side.engine.receive(frames.encode(frames.End(0)))
    else:
        side.engine.receive(b"\x09" + bytes(8))
    assert isinstance(side.sent()[-1], frames.Fail)
    side.until(side.now + seconds - 0.01)
    assert side.engine.over and not side.engine.closable
    assert side.engine.tick() == pytest.approx(side.now + 0.01)
    side.until(side.now + 0.02)
    assert side.engine.closable


def test_the_peers_last_word_ends_the_waiting() -> None:
    side = Side()
    side.greet()
    side.engine.receive(b"\x09" + bytes(8))
    side.sent()
    side.engine.receive(frames.encode(frames.Fail(0, 2, "so are you")))
    assert side.engine.closable


def test_times_have_the_defaults_of_the_protocol() -> None:
    assert Times() == Times(10, 15, 15, 30, 1, 5, 30)

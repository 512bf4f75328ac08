"""The laws of SPEC.md on random programs: two pure engines, joined by queues
of messages, and an application on each that does what chance says.

Nothing that one engine sends may be an error to the other; what is read is a
prefix of what was written; every stream ends once, at both ends in a way that
fits; and after a shutdown nothing is left.
"""

from __future__ import annotations

import random
from collections import deque

import pytest
from omnistreams import OmniError, SessionLost, StreamError, TooLarge, frames
from omnistreams.engine import Engine
from omnistreams.inbound import Inbound
from omnistreams.outbound import Outbound
from vectors import split


class Stream:
    """What both ends of one stream did and saw."""

    def __init__(self, out: Outbound) -> None:
        self.out = out
        self.into: Inbound | None = None
        self.written: list[bytes] = []
        self.read: list[bytes] = []
        self.ended = False  # the reader came to a clean end


class Side:
    """An engine with an application that draws lots."""

    def __init__(self, rng: random.Random, index: int) -> None:
        max_item = rng.choice([0, 1, 8, 70_000])
        items = rng.choice([0, 0, 1, 3, 50])
        window = max(max_item, rng.choice([0, 10, 200_000]))
        hello = frames.Hello(max_item, rng.choice([0, 1, 2, 5]), items, window if items else 0)
        self.engine = Engine(hello, prefetch=rng.choice([0, 1, 4, 64]), window=window)
        self.rng = rng
        self.index = index
        self.wire: deque[bytes] = deque()  # sent, not received yet
        self.streams: list[Stream] = []  # that this side opened
        self.held: list[Inbound] = []
        self.count = 0

    def send(self) -> None:
        message = self.engine.pack()
        if message is not None:
            peer = self.engine.peer
            limit = frames.message_limit(peer.max_item) if peer is not None else frames.MIN_MESSAGE
            assert len(message) <= limit
            self.wire.append(message)

    def act(self, streams: dict[tuple[int, int], Stream]) -> None:
        """Do one thing that an application may do."""
        rng, e = self.rng, self.engine
        choice = rng.random()
        if choice < 0.15 and self.count < 12:
            self.count += 1
            try:
                out = e.open(rng.choice([frames.ONE_WAY, frames.CALL]), b"m" * rng.choice([0, 5, 16384]))
                self.streams.append(Stream(out))
            except OmniError:
                assert e.over or e.shutdown.open_error or e.shutdown.heard_end
        elif choice < 0.55 and self.streams:
            self.write(rng.choice(self.streams))
        elif choice < 0.6:
            into = e.accept()
            if into is not None:
                self.held.append(into)
        elif self.held and choice < 0.98:
            self.use(rng.choice(self.held), streams)

    def write(self, stream: Stream) -> None:
        rng, out = self.rng, stream.out
        what = rng.random()
        if what < 0.03:
            if out.admitted:
                out.fail(rng.choice([0, 1, 300]), "broken off")
        elif what < 0.12:
            if out.admitted:
                out.end()
        elif what < 0.14 and out.kind == frames.CALL:
            self.engine.leave(out) if not out.admitted else out.give_up(1, "gave up")
        elif out.admitted:
            item = rng.randbytes(rng.choice([0, 1, 3, 8, 70_000]))
            try:
                if out.may_write(len(item)):
                    out.write(item)
                    stream.written.append(item)
            except (OmniError, RuntimeError) as error:
                assert isinstance(error, TooLarge) or out.last is not None or out.finished

    def use(self, into: Inbound, streams: dict[tuple[int, int], Stream]) -> None:
        rng = self.rng
        what = rng.random()
        if into.kind == frames.CALL and what < 0.15:
            try:
                self.streams.append(Stream(self.engine.reply(into, b"r")))
            except (OmniError, RuntimeError):
                assert into.reply is not None or into.refused or into.closed or self.engine.over
        elif what < 0.19:
            into.refuse(rng.choice([5, 6]), "no")
        elif what < 0.23:
            into.cancel(rng.choice([0, 1, 5]), "enough")
        else:
            self.take(into, streams[1 - self.index, into.number])

    def take(self, into: Inbound, stream: Stream) -> None:
        if not into.ready():
            into.ask()
            return
        try:
            item = into.take()
        except StreamError:
            return
        if item is None:
            stream.ended = True
        else:
            assert not stream.ended
            stream.read.append(item)

    def finish(self, streams: dict[tuple[int, int], Stream], polite: bool) -> None:
        """Let go of everything, as applications do in the end: the polite ones
        read and answer until all is done."""
        while (into := self.engine.accept()) is not None:
            self.held.append(into)
        for stream in self.streams:
            if stream.out.admitted:
                stream.out.end()
        for into in self.held:
            if polite:
                for _ in range(3):
                    self.take(into, streams[1 - self.index, into.number])
                if into.kind == frames.CALL and not self.engine.over:
                    if into.reply is None and not into.refused and not into.closed:
                        self.streams.append(Stream(self.engine.reply(into, b"at last")))
                continue
            into.cancel(1, "done with it")
            if into.kind == frames.CALL and into.reply is None:
                into.refuse(6, "no answer")


def answers(side: Side) -> None:
    """Hold the answers that have come to this side's calls."""
    for stream in side.streams:
        answer = stream.out.answer
        if answer is not None and answer not in side.held and not stream.out.given_up:
            side.held.append(answer)


@pytest.mark.parametrize("seed", range(150))
def test_random_programs(seed: int) -> None:
    rng = random.Random(seed)
    sides = [Side(rng, 0), Side(rng, 1)]
    streams: dict[tuple[int, int], Stream] = {}

    def turn(acting: bool) -> None:
        side = rng.choice(sides)
        other = sides[1 - side.index]
        lot = rng.random()
        if lot < 0.3:
            side.send()
        elif lot < 0.6 and other.wire:
            message = other.wire.popleft()
            side.engine.receive(message)
            assert side.engine.error is None, f"{side.engine.error}: {split(message)}"[:2000]
        elif acting:
            side.act(streams)
        for s in sides:
            answers(s)
            for stream in s.streams:
                if stream.out.number:
                    streams[s.index, stream.out.number] = stream

    for _ in range(rng.choice([100, 1500])):
        turn(True)
    rng.choice(sides).engine.shutdown.begin("enough")
    polite = rng.random() < 0.5
    for n in range(6000):
        if n % 20 == 0:
            for side in sides:
                side.finish(streams, polite)
        turn(False)
    for side in sides:
        e = side.engine
        assert e.over and e.error is None, (e.own, e.theirs, vars(e.shutdown))
        assert (e.own, e.theirs, e.own_slots, e.their_slots, e.unnumbered) == ({}, {}, 0, 0, 0)
        for stream in side.streams:
            assert stream.read == stream.written[: len(stream.read)]  # L2
            if stream.ended:  # L3, L4
                assert stream.read == stream.written
            out = stream.out
            assert out.finished and not isinstance(out.error, SessionLost)
            assert out.sent_items <= out.granted_items  # L1
            if out.error is None:
                assert stream.read == stream.written


def test_a_worked_session_that_is_cut_anywhere() -> None:
    """No clean end before END; nothing hangs, nothing crashes."""
    hello = frames.Hello(1024, 4, 4, 4096)
    script: list[list[frames.Frame]] = [
        [hello, frames.Open(1, frames.CALL, 0, b"q"), frames.Data(1, b"2"), frames.Data(1, b"40"), frames.End(1)],
        [frames.Open(2, frames.ONE_WAY, 0, b""), frames.Data(2, b"x"), frames.Fail(2, 300, "broken")],
    ]
    for number, message in enumerate(script):
        raw = b"".join(map(frames.encode, message))
        for at in range(1, len(raw)):
            e = Engine(hello)
            e.pack()
            for before in script[:number]:
                e.receive(b"".join(map(frames.encode, before)))
            e.receive(raw[:at])
            e.cut()
            assert e.over and e.error is not None
            for into in list(e.theirs.values()):
                with pytest.raises(SessionLost):
                    for _ in range(5):
                        assert into.take() is not None

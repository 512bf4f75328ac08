"""Rules that the vectors leave room for, on the pure engine."""

from __future__ import annotations

import pytest
from omnistreams import StreamError, frames
from omnistreams.engine import Engine
from vectors import split

PEER = frames.Hello(1024, 4, 4, 4096)


def meet(hello: frames.Hello, **options: int) -> Engine:
    """Return an engine after the handshake, with one stream of the peer."""
    engine = Engine(hello, **options)  # type: ignore[arg-type]
    say(engine, PEER, frames.Open(1, frames.ONE_WAY, 0, b""))
    assert sent(engine) == [hello]
    return engine


def say(engine: Engine, *said: frames.Frame) -> None:
    engine.receive(b"".join(frames.encode(f) for f in said))
    assert engine.error is None


def sent(engine: Engine) -> list[frames.Frame]:
    message = engine.pack()
    return split(message) if message is not None else []


@pytest.mark.parametrize("size", [1, 7, 8, 15, 16])
def test_the_next_item_always_fits_once_all_before_it_were_taken(size: int) -> None:
    """Rule 3, also when little of the window was taken."""
    engine = meet(frames.Hello(16, 4, 4, 16))
    say(engine, frames.Data(1, bytes(size)))
    stream = engine.accept()
    assert stream is not None and stream.take() == bytes(size)
    assert sent(engine) == [frames.Request(1, 4, 16 + size)]


def test_requests_are_few() -> None:
    """Half of the window is taken before a REQUEST is worth it."""
    engine = meet(frames.Hello(1, 4, 100, 1000), prefetch=100, window=1000)
    stream = engine.accept()
    assert stream is not None
    requests: list[frames.Frame] = []
    for _ in range(1000):
        say(engine, frames.Data(1, b"x"))
        assert stream.take() == b"x"
        requests += sent(engine)
    assert 10 <= len(requests) <= 20


def test_a_stream_that_was_looked_at_is_not_refused() -> None:
    """Code 5 would promise that trying again is safe (rule 7)."""
    engine = meet(frames.Hello(16, 4, 4, 16))
    say(engine, frames.Data(1, b"x"))
    stream = engine.accept()
    assert stream is not None and stream.take() == b"x"
    stream.refuse(5, "too late")
    assert sent(engine) == [frames.Close(1, 1, "too late")]


def test_no_request_once_the_last_word_came_or_the_reader_has_left() -> None:
    engine = meet(frames.Hello(16, 4, 4, 64))
    say(engine, frames.Data(1, bytes(16)), frames.End(1), frames.Open(2, 0, 0, b""), frames.Data(2, bytes(16)))
    first, second = engine.accept(), engine.accept()
    assert first is not None and second is not None
    first.take()
    second.take()
    second.cancel(1, "")
    assert sent(engine) == [frames.Close(2, 1, "")]


def test_what_was_queued_is_dropped_with_the_error() -> None:
    """FAIL on 0 is the next and the last frame (rule 10)."""
    engine = meet(frames.Hello(16, 4, 4, 16))
    out = engine.open(frames.ONE_WAY, b"")
    out.write(b"never sent")
    engine.receive(b"\x09" + bytes(8))
    (fail,) = sent(engine)
    assert isinstance(fail, frames.Fail) and fail.stream == 0
    assert sent(engine) == []


def test_a_large_item_is_not_kept_waiting_by_control() -> None:
    """REQUEST and CLOSE in every message leave room for it all the same."""
    engine = Engine(frames.Hello(16, 5000, 0, 0))
    say(engine, frames.Hello(70_000, 4, 4, 1 << 20))
    say(engine, *(frames.Open(n, 0, 0, b"") for n in range(1, 4001)))
    out = engine.open(frames.ONE_WAY, b"")
    sent(engine)
    out.write(bytes(70_000))
    for n in range(3):
        for stream in list(engine.theirs.values())[n * 1000 : (n + 1) * 1000]:
            stream.request(1)
        if any(isinstance(f, frames.Data) for f in sent(engine)):
            return
    raise AssertionError("the item still waits")


def test_after_the_peers_end_calls_fail_and_one_way_streams_go_on() -> None:
    engine = meet(frames.Hello(16, 4, 4, 16))
    call = engine.open(frames.CALL, b"")
    sent(engine)
    say(engine, frames.End(0))
    assert isinstance(call.no_answer, StreamError) and call.no_answer.code == 8
    assert sent(engine) == [frames.Fail(1, 8, call.no_answer.reason)]
    with pytest.raises(StreamError):
        engine.open(frames.CALL, b"")
    engine.open(frames.ONE_WAY, b"")
    assert sent(engine) == [frames.Open(2, 0, 0, b"")]


def test_unsent_items_are_dropped_when_the_reader_has_had_enough() -> None:
    """Rule 7: FAIL is the answer to CLOSE, also if END was queued."""
    engine = meet(frames.Hello(16, 4, 4, 16))
    out = engine.open(frames.ONE_WAY, b"")
    assert sent(engine) == [frames.Open(1, 0, 0, b"")]
    out.write(b"never sent")
    out.end()
    say(engine, frames.Close(1, 301, "enough"))
    assert sent(engine) == [frames.Fail(1, 301, "")]


def test_refusing_what_was_read_to_its_end_comes_too_late() -> None:
    """The code MUST be 0 then (rule 7)."""
    engine = meet(frames.Hello(16, 4, 4, 64))
    say(engine, frames.Data(1, b"x"), frames.End(1))
    stream = engine.accept()
    assert stream is not None
    assert (stream.take(), stream.take()) == (b"x", None)
    stream.refuse(5, "too late")
    assert sent(engine) == [frames.Close(1, 0, "")]


def test_end_on_0_comes_behind_every_close_of_a_call() -> None:
    """A call might be answered until its CLOSE is given (rule 12)."""
    engine = Engine(frames.Hello(16, 100, 4, 64))
    say(engine, PEER, *(frames.Open(n, frames.CALL, 0, b"") for n in range(1, 101)))
    for _ in range(100):
        call = engine.accept()
        assert call is not None
        call.refuse(300, "x" * 1000)
    engine.shutdown.begin("")
    said: list[frames.Frame] = []
    while message := sent(engine):
        said += message
    assert said.index(frames.End(0)) > max(i for i, f in enumerate(said) if isinstance(f, frames.Close))

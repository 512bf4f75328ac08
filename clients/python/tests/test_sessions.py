"""The scripted sessions of sessions.json, against a session in memory."""

from __future__ import annotations

import asyncio
from typing import Any, Awaitable, Callable

import pytest
from omnistreams import Call, Incoming, Options, Reader, Session, SessionLost, StreamError, Times, TooLarge, Writer
from omnistreams import frames
from omnistreams.engine import Engine
from omnistreams.memory import MemoryTransport, pair

from vectors import load, plain, side_hello, split, to_frame, to_row, unhex

SCRIPTS = load("sessions.json")["scripts"]
STEPS = {"peer", "peer_hex", "cut", "want", "want_any", "want_error", "idle", "closed", "app", "see"}


async def settle() -> None:
    """Let every task run until all of them wait. What one message sets off is
    a chain of a few turns of the loop."""
    for _ in range(40):
        await asyncio.sleep(0)


class Handle:
    """What one name in a script stands for."""

    def __init__(self) -> None:
        self.out: Writer | None = None
        self.reader: Reader | None = None
        self.error: BaseException | None = None  # of open or call
        self.last: asyncio.Task[None] | None = None
        self.reading: asyncio.Future[bytes | None] | None = None

    def do(self, operation: Callable[[], Awaitable[None]]) -> None:
        """Run an operation when those before it are finished."""
        before = self.last

        async def run() -> None:
            if before is not None:
                await asyncio.wait([before])
            await operation()

        self.last = asyncio.ensure_future(run())

    def read(self) -> None:
        if self.reading is None:
            reader = self.reader
            assert reader is not None
            result: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
            self.reading = result

            async def read() -> None:
                try:
                    result.set_result(await reader.read())
                except Exception as error:
                    result.set_exception(error)

            self.do(read)


class Runner:
    """Plays the peer and the application."""

    def __init__(self, session: Session, peer: MemoryTransport) -> None:
        self.session = session
        self.peer = peer
        self.handles: dict[str, Handle] = {}
        self.got: list[frames.Frame] = []
        self.closed = asyncio.Event()
        self.pings: list[bytes] = []
        self.sent_close = False
        self.closed_by_side: set[int] = set()
        self.listening = asyncio.ensure_future(self.listen())

    async def listen(self) -> None:
        while (message := await self.peer.receive()) is not None:
            self.got += split(message)
        self.closed.set()

    async def step(self, step: dict[str, Any]) -> None:
        key = next(iter(step))
        assert key in STEPS, step
        value = step[key]
        await settle()
        if key == "peer":
            sent = [to_frame(row) for row in value]
            self.pings += [f.payload for f in sent if isinstance(f, frames.Ping)]
            self.sent_close |= any(isinstance(f, frames.Close) and f.stream == 0 for f in sent)
            await self.peer.send(b"".join(map(frames.encode, sent)))
        elif key == "peer_hex":
            await self.peer.send(unhex(value))
        elif key == "cut":
            await self.peer.close()
        elif key == "want":
            for row in value:
                self.want([row])
        elif key == "want_any":
            left = list(value)
            while left:
                left.remove(self.want(left))
        elif key == "want_error":
            await self.want_error(value)
        elif key == "idle":
            self.drop_ignored()
        elif key == "closed":
            self.drop_ignored()
            await asyncio.wait_for(self.closed.wait(), 2)
            assert self.got == []
        elif key == "app":
            await self.app(value, step)
        else:
            await self.see(value, step)

    def want(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Take the next frame that is not ignored; return which row it is."""
        while True:
            assert self.got, f"nothing came, want one of {rows}"
            frame = self.got.pop(0)
            for row in rows:
                if matches(row, frame):
                    if isinstance(frame, frames.Close):
                        self.closed_by_side.add(frame.stream)
                    return row
            assert self.ignored(frame), f"got {frame}, want one of {rows}"

    def drop_ignored(self) -> None:
        for frame in self.got:
            assert self.ignored(frame), f"got {frame}, want nothing"
        self.got = []

    def ignored(self, f: frames.Frame) -> bool:
        if isinstance(f, frames.Pong):
            return f.payload in self.pings
        if isinstance(f, frames.Request):
            return f.stream not in self.closed_by_side
        if isinstance(f, frames.Close):
            return f.stream == 0 and self.sent_close
        return isinstance(f, (frames.Ping, frames.Ignored))

    async def want_error(self, want: dict[str, int]) -> None:
        await asyncio.wait_for(self.closed.wait(), 2)
        fails = [f for f in self.got if isinstance(f, frames.Fail) and f.stream == 0]
        assert len(fails) == 1 and self.got[-1] is fails[0], self.got
        assert fails[0].code == want["code"]
        assert fails[0].reason.startswith(f"rule {want['rule']}: ")
        self.got = []

    async def app(self, operation: str, step: dict[str, Any]) -> None:
        metadata, item = unhex(step.get("metadata", "")), unhex(step.get("item", ""))
        code, reason = step.get("code", 0), step.get("reason", "")
        if operation == "shutdown":
            self.session.engine.shutdown.begin(reason)
            self.session.kick()
            return
        if operation == "accept":
            incoming = await asyncio.wait_for(self.session.accept(), 1)
            assert incoming is not None
            assert (incoming.is_call, incoming.metadata) == (step["kind"] == 1, metadata)
            self.handles[step["as"]] = handle = Handle()
            handle.reader = incoming
            return
        if operation == "answer":
            call = self.handles[step["on"]].out
            assert isinstance(call, Call)
            self.handles[step["as"]] = handle = Handle()
            handle.reader = await asyncio.wait_for(call.answer(), 1)
            assert handle.reader.metadata == metadata
            return
        h = self.handles[step["on"]] if "on" in step else Handle()
        target = h
        if "as" in step:
            self.handles[step["as"]] = target = Handle()

        async def run() -> None:
            if operation in ("open", "call"):
                try:
                    opening = self.session.open(metadata) if operation == "open" else self.session.call(metadata)
                    target.out = await opening
                except Exception as error:
                    target.error = error
            elif operation == "write":
                assert h.out is not None
                if step.get("too_long"):
                    with pytest.raises(TooLarge):
                        await h.out.write(item)
                else:
                    await h.out.write(item)
            elif operation == "end":
                assert h.out is not None
                h.out.end()
            elif operation == "fail":
                assert h.out is not None
                h.out.fail(code, reason)
            elif operation == "give_up":
                assert isinstance(h.out, Call)
                h.out.cancel(code, reason)
            elif operation == "reply":
                assert isinstance(h.reader, Incoming)
                target.out = h.reader.reply(metadata)
            elif operation == "refuse":
                assert isinstance(h.reader, Incoming)
                h.reader.refuse(reason, code)
            elif operation == "cancel":
                assert h.reader is not None
                h.reader.cancel(code, reason)
            else:
                raise AssertionError(f"unknown operation {operation}")

        if operation == "read":
            h.read()
        elif operation in ("reply", "open", "call"):
            target.do(run)
        else:
            h.do(run)
        await settle()

    async def see(self, outcome: str, step: dict[str, Any]) -> None:
        h = self.handles[step["on"]]
        if outcome == "done":
            assert h.out is not None
            await asyncio.wait_for(h.out.wait_closed(), 1)
            return
        result: object = None
        try:
            if h.reader is not None:
                h.read()
                assert h.reading is not None
                result = await asyncio.wait_for(h.reading, 1)
                h.reading = None
            elif h.out is not None:
                await asyncio.wait_for(h.out.wait_closed(), 1)
            elif h.error is not None:
                raise h.error
        except (StreamError, SessionLost) as error:
            h.reading = None
            result = error
        if outcome == "item":
            assert result == unhex(step["item"])
        elif outcome == "end":
            assert result is None
        elif outcome == "error":
            assert isinstance(result, StreamError)
            assert (result.code, result.reason) == (step["code"], step["reason"])
        else:
            assert outcome == "lost"
            assert isinstance(result, SessionLost)


def matches(row: dict[str, Any], frame: frames.Frame) -> bool:
    got = to_row(frame)
    if row["type"] != got["type"]:
        return False
    for name, value in plain(row).items():
        if name.endswith("_min"):
            if got[name[:-4]] < value:
                return False
        elif name == "code_not":
            if got["code"] == value:
                return False
        elif got[name] != value:
            return False
    return True


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script["name"])
def test_session(script: dict[str, Any]) -> None:
    assert set(script) == {"name", "rules", "why", "side", "steps"}

    async def run() -> None:
        ours, theirs = pair()
        loop = asyncio.get_running_loop()
        # FAIL on 0 lingers for a second, whose length another test checks.
        times = Times(keepalive=1e9, linger=0.02)
        engine = Engine(
            side_hello(script["side"]),
            times=times,
            clock=loop.time,
            first_number=script["side"].get("own_next", 1),
        )
        session = Session(ours, Options(times=times), engine=engine)
        runner = Runner(session, theirs)
        for number, step in enumerate(script["steps"]):
            try:
                await runner.step(step)
            except BaseException as error:
                raise AssertionError(f"step {number}, {step}") from error
        await theirs.close()
        await asyncio.wait([session._task], timeout=2)
        assert session._task.done()
        for handle in runner.handles.values():
            if handle.last is not None:
                await asyncio.wait_for(asyncio.wait([handle.last]), 2)
                handle.last.exception()
        runner.listening.cancel()

    asyncio.run(run())

"""What both sides of a session serve."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from omnistreams import Incoming, OmniError, Router, Session, StreamError, Writer, write_json

from pattern import Counter, Pattern, wrong
from streams import Tally, down, read_end, up


class Record:
    """What a session knows of one of its streams, which may not have begun."""

    def __init__(self) -> None:
        self.tally: Tally = {"items": 0, "bytes": 0, "code": 0, "reason": "", "sha256": ""}
        self.going = asyncio.Event()
        self.over = asyncio.Event()

    def moved(self, counter: Counter) -> None:
        self.tally["items"], self.tally["bytes"] = counter.items, counter.bytes

    def ended(self, counter: Counter, error: OmniError | None) -> None:
        self.tally = counter.tally(error)
        self.over.set()


class Handlers:
    """The handlers of one session; `router` has them all."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._records: dict[str, Record] = {}
        self._leaving: asyncio.Task[None] | None = None
        self.router = Router()
        for handler in (self.echo, self.sink, self.source, self.go, self.last, self.back, self.leave):
            self.router.route(handler.__name__)(handler)

    def _record(self, about: dict[str, Any]) -> Record:
        name = about.get("id")
        return self._records.setdefault(name, Record()) if name else Record()

    async def echo(self, incoming: Incoming) -> None:
        """Answer with what is sent."""
        await incoming.pipe(incoming.reply(incoming.metadata))

    async def sink(self, incoming: Incoming) -> None:
        """Read all, check it, and answer with a tally."""
        about = json.loads(incoming.metadata)
        record = self._record(about)
        counter = Counter(Pattern.of(about))
        out = incoming.reply() if incoming.is_call else None
        cause: OmniError | None = None
        try:
            await self._drain(incoming, about, out, record, counter)
        except OmniError as error:
            cause = error
        record.ended(counter, cause)
        if cause and counter.items != about.get("cancel"):
            raise cause
        if out:
            await answer(out, record.tally)

    async def _drain(
        self, incoming: Incoming, about: dict[str, Any], out: Writer | None, record: Record, counter: Counter
    ) -> None:
        """Read for sink. Raises what ended the stream if that was not its clean end."""
        while (item := await incoming.read()) is not None:
            counter.take(item)
            record.moved(counter)
            if counter.items == about.get("stop") and out:
                await out.write(b"still")
                await record.going.wait()
            if counter.items == about.get("cancel"):
                incoming.cancel(about["code"], about["reason"])
                raise StreamError(about["code"], about["reason"])
        counter.complete()

    async def source(self, incoming: Incoming) -> None:
        """Answer with the items of a pattern."""
        about = json.loads(incoming.metadata)
        record = self._record(about)
        counter = Counter(Pattern.of(about))
        cause: OmniError | None = None
        try:
            await self._pour(incoming, about, record, counter)
        except OmniError as error:
            cause = error
        record.ended(counter, cause)
        if cause:
            raise cause

    async def _pour(self, incoming: Incoming, about: dict[str, Any], record: Record, counter: Counter) -> None:
        """Write for source, until the reader is through. Raises what ended the
        stream if that was not its clean end."""
        await read_end(incoming)
        out = incoming.reply()
        for item in Pattern.of(about).items():
            await out.write(item)
            counter.add(item)
            record.moved(counter)
            if counter.items == about.get("fail"):
                out.fail(about["code"], about["reason"])
                raise StreamError(about["code"], about["reason"])
        out.end()
        await out.wait_closed()

    async def go(self, incoming: Incoming) -> None:
        """Let a sink that stands still read on."""
        await read_end(incoming)
        self._record(json.loads(incoming.metadata)).going.set()
        incoming.reply().end()

    async def last(self, incoming: Incoming) -> None:
        """Tell of another stream of the session."""
        await read_end(incoming)
        about = json.loads(incoming.metadata)
        record = self._record(about)
        if about.get("wait"):
            await record.over.wait()
        await answer(incoming.reply(), record.tally)

    async def back(self, incoming: Incoming) -> None:
        """Send a stream to the other side and have one sent from there."""
        await read_end(incoming)
        pattern = Pattern.of(json.loads(incoming.metadata))
        for way in (up, down):
            try:
                await way(self._session, pattern)
            except OmniError as error:
                raise wrong(f"{way.__name__}: {error}") from error
        incoming.reply().end()

    async def leave(self, incoming: Incoming) -> None:
        """Shut the session down."""
        await read_end(incoming)
        incoming.reply().end()
        self._leaving = asyncio.create_task(self._session.shutdown())


async def answer(out: Writer, tally: Tally) -> None:
    await write_json(out, tally)
    out.end()

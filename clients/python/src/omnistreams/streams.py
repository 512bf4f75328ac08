"""The two ends of a stream, and a call, as an application holds them."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Any, AsyncIterator, Generator, Generic, Coroutine, Protocol, TypeVar

from . import frames
from .errors import Code, OmniError, check
from .inbound import Inbound
from .outbound import Outbound

if TYPE_CHECKING:
    from .session import Session


def code_of(error: BaseException) -> tuple[int, str]:
    """Return the code and reason that tell the other side of an error.

    Only errors of this package say why: others may hold what is none of the
    other side's business.
    """
    if isinstance(error, OmniError):
        with contextlib.suppress(TypeError, ValueError):
            check(error.code, error.reason)  # somebody may have changed them
            return error.code, error.reason
    if isinstance(error, asyncio.CancelledError):
        return Code.CANCELED, ""
    return Code.INTERNAL, ""


class Writer:
    """The end of a stream that items are written to.

    As an `async with` block: leaving it ends the stream and waits until the
    reader has taken everything; an exception breaks the stream off.
    """

    def __init__(self, session: Session, stream: Outbound) -> None:
        self._session = session
        self._out = stream

    async def write(self, item: bytes) -> None:
        """Write one item, possibly empty; wait until the reader asks for it.

        Raises TooLarge (the stream goes on), StreamError if the reader wants
        no more, SessionLost, and RuntimeError after end. If the task is
        canceled while it waits nothing was written.
        """
        item = frames.as_bytes(item)
        while not self._out.may_write(len(item)):
            await self._session.wait(self._out.changed)
        self._out.write(item)
        self._session.kick()

    def end(self) -> None:
        """Say that all is written. It waits for nothing, not even for credit."""
        self._out.end()
        self._session.kick()

    def fail(self, code: int = Code.INTERNAL, reason: str = "") -> None:
        """Break the stream off. What was written still arrives, then the error."""
        self._out.fail(code, reason)
        self._session.kick()

    async def wait_closed(self) -> None:
        """Wait until the reader has taken everything, after end.

        Raises StreamError if it did not, or SessionLost.
        """
        while not self._out.finished:
            await self._session.wait(self._out.changed)
        if self._out.error is not None:
            raise self._out.error.with_traceback(None)

    async def demand(self, after: int = 0) -> int:
        """Wait until the reader has asked for more than `after` items since the
        stream began; return for how many. Raises how the stream ended."""
        while self._out.granted_items <= after:
            if self._out.finished or self._out.last is not None:
                raise self._out.end_error()
            await self._session.wait(self._out.changed)
        return self._out.granted_items

    @property
    def max_item(self) -> int:
        """The longest item that the peer takes, in bytes."""
        return self._session.peer.max_item

    async def __aenter__(self) -> Writer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if error is not None:
            self.fail(*code_of(error))
            return
        if isinstance(self._out.last, frames.Fail) and not self._out.closed:
            return  # broken off by this side: there is nothing to wait for
        self.end()
        await self.wait_closed()


class Reader:
    """The end of a stream that items are read from: `async for item in reader`.

    The loop ends at the clean end of the stream and nowhere else: StreamError
    says that the writer broke off, SessionLost that the connection did.
    """

    def __init__(self, session: Session, stream: Inbound) -> None:
        self._session = session
        self._in = stream

    @property
    def metadata(self) -> bytes:
        """What the opener said the stream is."""
        return self._in.metadata

    async def read(self) -> bytes | None:
        """Return the next item, None at the end. No item is lost if the task
        is canceled while it waits."""
        return await self._read(ask=True)

    async def _read(self, *, ask: bool) -> bytes | None:
        """Read; with ask, ask for an item if none is outstanding."""
        stream = self._in
        while not stream.ready():
            if ask:
                stream.ask()
                self._session.kick()
            await self._session.wait(stream.changed)
        try:
            return stream.take()
        finally:
            self._session.kick()

    def request(self, items: int) -> None:
        """Ask for that many items more than so far. Reading does it by itself;
        this is for those who pass on somebody else's demand."""
        self._in.request(items)
        self._session.kick()

    def cancel(self, code: int = Code.CANCELED, reason: str = "") -> None:
        """Read no more: the writer is told, and stops."""
        self._in.cancel(code, reason)
        self._session.kick()

    async def pipe(self, writer: Writer) -> None:
        """Pass everything on: items and end down, demand up, errors both ways.

        It asks for exactly as much as is asked of writer. Returns when writer
        has ended well; raises what ended either stream. Use it with a session
        whose Options have prefetch 0, or more is asked for ahead.
        """
        asking = asyncio.ensure_future(self._pass_demand(writer))
        try:
            while (item := await self._read(ask=False)) is not None:
                await writer.write(item)
            writer.end()
            await writer.wait_closed()
        except BaseException as error:
            code, reason = code_of(error)
            writer.fail(code, reason)
            self.cancel(code, reason)
            raise
        finally:
            asking.cancel()
            await asyncio.wait([asking])

    async def _pass_demand(self, writer: Writer) -> None:
        """Ask for as much as is asked of writer, until either end stops."""
        asked = self._in.asked
        while True:
            try:
                demand = await writer.demand(asked)
            except OmniError as error:
                # The writer's reader has gone: so does this one, at once,
                # though it may be waiting for an item.
                self.cancel(*code_of(error))
                return
            except RuntimeError:
                return  # the writer has ended
            self.request(demand - asked)
            asked = demand

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        item = await self.read()
        if item is None:
            raise StopAsyncIteration
        return item


class Incoming(Reader):
    """A stream that the peer opened. If `is_call`, it wants an answer."""

    @property
    def is_call(self) -> bool:
        return self._in.kind == frames.CALL

    @property
    def session(self) -> Session:
        return self._session

    def reply(self, metadata: bytes = b"") -> Writer:
        """Open the answer to a call, once. It waits for nothing."""
        stream = self._session.engine.reply(self._in, metadata)
        self._session.kick()
        return Writer(self._session, stream)

    def refuse(self, reason: str = "", code: int = Code.REFUSED) -> None:
        """Turn the stream down, or leave a call without an answer.

        Code 5 tells the opener that trying again is safe; it becomes 1 once an
        item was taken.
        """
        self._in.refuse(code, reason)
        self._session.kick()

    def finish(self, error: BaseException | None = None) -> None:
        """Let go of what a handler left open: what it raised, if anything, is
        told to the peer."""
        stream = self._in
        if error is None and not stream.left and stream.said and not stream.buffer:
            # All that is left is the end.
            with contextlib.suppress(OmniError):
                stream.take()
        code, reason = code_of(error) if error is not None else (int(Code.CANCELED), "")
        stream.cancel(code, reason)
        if stream.kind == frames.CALL:
            if error is None:
                code, reason = Code.INTERNAL, "the handler left it open"
            if stream.reply is None:
                stream.refuse(code, reason)
            else:
                stream.reply.fail(code, reason)
        self._session.kick()


class Call(Writer):
    """A call of this side: write the question, read the answer.

    `async for item in call` reads the answer. As an `async with` block:
    leaving it drops what is not finished of either.
    """

    _reader: Reader | None = None

    async def answer(self) -> Reader:
        """Wait for the answer. Raises StreamError if none will come."""
        out = self._out
        while out.answer is None and out.no_answer is None:
            await self._session.wait(out.changed)
        if out.no_answer is not None:
            raise out.no_answer.with_traceback(None)
        if self._reader is None:
            assert out.answer is not None
            self._reader = Reader(self._session, out.answer)
        return self._reader

    async def read(self) -> bytes | None:
        """Return the answer's next item, None at its end."""
        reader = self._reader or await self.answer()
        return await reader.read()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        item = await self.read()
        if item is None:
            raise StopAsyncIteration
        return item

    def cancel(self, code: int = Code.CANCELED, reason: str = "") -> None:
        """Give up: break the question off if it has not ended, and drop the
        answer, also one that is still to come."""
        self._out.give_up(code, reason)
        self._session.kick()

    async def __aenter__(self) -> Call:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        answer = self._out.answer
        if error is None and answer is not None and answer.left and answer.error is None:
            self.end()  # the answer was read to its end: all is well
        else:
            self.cancel(*(code_of(error) if error is not None else (Code.CANCELED, "")))


class _Block(Protocol):
    """What can be used by `async with`."""

    async def __aenter__(self) -> Any: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None: ...


T = TypeVar("T", bound=_Block)


class Opening(Coroutine[Any, Any, T], Generic[T]):
    """Something that is being opened: `await` it, make a task of it, or use it by
    `async with`."""

    def __init__(self, opening: Coroutine[Any, Any, T]) -> None:
        self._opening = opening
        self._opened: T | None = None

    def __await__(self) -> Generator[Any, Any, T]:
        return self._opening.__await__()

    def send(self, value: Any) -> Any:
        return self._opening.send(value)

    def throw(self, *error: Any) -> Any:
        return self._opening.throw(*error)

    def close(self) -> None:
        self._opening.close()

    async def __aenter__(self) -> T:
        self._opened = await self._opening
        await self._opened.__aenter__()
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        assert self._opened is not None
        await self._opened.__aexit__(kind, error, tb)

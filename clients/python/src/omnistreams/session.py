"""A session: the engine, driven by asyncio tasks over a transport.

    application --> engine --> sending task   --> transport
                    engine <-- receiving task <--
                    engine <-- timer

The two tasks, the timer and the application run in one event loop and take turns, so
there is no lock. Receiving never waits for sending, nor for any reader.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import AsyncIterator, Awaitable, Callable

from . import frames
from .clock import Times
from .engine import Engine
from .errors import Code, OmniError, ProtocolError, SessionLost, StreamError
from .outbound import Outbound
from .signals import Signal
from .streams import Call, Incoming, Opening, Writer
from .transport import Transport

Handler = Callable[[Incoming], Awaitable[None]]


@dataclass(frozen=True)
class Options:
    """What this side tells the peer, and its limits.

    The peer's streams can take streams * window bytes of memory, with the
    defaults 64 MiB, and each call of this side another window.
    """

    metadata: bytes = b""  # the application's word in HELLO, at most 16 KiB
    max_item: int = 256 << 10  # the longest item accepted, in bytes, at most 16 MiB
    streams: int = 128  # how many of the peer's streams may live at a time
    prefetch: int = 128  # items asked for ahead of each reader; 0: only when it waits
    window: int = 512 << 10  # bytes granted ahead of each reader; at least max_item
    times: Times = field(default_factory=Times)

    def __post_init__(self) -> None:
        if not isinstance(self.metadata, bytes):
            raise TypeError(f"metadata is bytes, not {type(self.metadata).__name__}")
        if len(self.metadata) > frames.MAX_METADATA:
            raise ValueError(f"metadata has {len(self.metadata)} bytes, over {frames.MAX_METADATA}")
        if not 0 <= self.max_item <= frames.MAX_ITEM:
            raise ValueError(f"max_item is {self.max_item}, not in 0 to {frames.MAX_ITEM}")
        if not 0 <= self.streams <= frames.MAX_NUMBER:
            raise ValueError(f"streams is {self.streams}, not in 0 to 2^32-1")
        if not 0 <= self.prefetch <= 1 << 16:
            raise ValueError(f"prefetch is {self.prefetch}, not in 0 to 65536")
        if not 0 <= self.window <= 1 << 31:
            raise ValueError(f"window is {self.window}, not in 0 to 2^31")

    def hello(self) -> frames.Hello:
        """Return the HELLO that says so."""
        window = max(self.window, self.max_item) if self.prefetch else 0
        return frames.Hello(self.max_item, self.streams, self.prefetch, window, self.metadata)


class Session:
    """Many streams over one transport, between two sides that are equals.

    It belongs to the running event loop. As an `async with` block: leaving it
    shuts the session down and waits until every stream has come to its end;
    an exception closes it at once.
    """

    def __init__(
        self, transport: Transport, options: Options | None = None, *, engine: Engine | None = None
    ) -> None:
        """Begin a session. engine is a hook for tests."""
        options = options or Options()
        self._loop = asyncio.get_running_loop()
        self.engine = engine or Engine(
            options.hello(),
            prefetch=options.prefetch,
            window=options.window,
            times=options.times,
            clock=self._loop.time,
        )
        self._transport = transport
        transport.limit = frames.message_limit(self.engine.hello.max_item)
        self._wake = asyncio.Event()  # for the sending task
        self._closable = asyncio.Event()
        self._ending = False  # the end was noticed
        self._given = self._sent = 0  # messages: to the transport, and by it
        self._timer: asyncio.Handle = self._loop.call_soon(self._tick)
        self._task = asyncio.create_task(self._run())

    # For streams.

    async def wait(self, signal: Signal) -> None:
        """Wait until the signal fires."""
        future: asyncio.Future[None] = self._loop.create_future()

        def done() -> None:
            if not future.done():
                future.set_result(None)

        signal.add(done)
        try:
            await future
        finally:
            signal.remove(done)

    def kick(self) -> None:
        """Have the tasks look at what an operation changed."""
        if not self._wake.is_set():
            self._wake.set()
        if self.engine.over:
            self._notice_end()

    def _notice_end(self) -> None:
        if self.engine.closable:
            self._closable.set()
        elif not self._ending:
            # The end changes what there is to wait for.
            self._ending = True
            self._timer.cancel()
            self._timer = self._loop.call_soon(self._tick)

    # What the application does.

    async def ready(self) -> frames.Hello:
        """Wait for the peer's HELLO and return it."""
        while self.engine.peer is None:
            self._check()
            await self.wait(self.engine.changed)
        return self.engine.peer

    @property
    def peer(self) -> frames.Hello:
        """The peer's HELLO, with its metadata. RuntimeError before it has come."""
        if self.engine.peer is None:
            raise RuntimeError("the peer's HELLO has not come")
        return self.engine.peer

    @property
    def error(self) -> OmniError | None:
        """Why the session is over; None if it is not, or ended well."""
        return self.engine.error

    def open(self, metadata: bytes = b"") -> Opening[Writer]:
        """Open a one-way stream; waits while the peer has no slot.

        Raises StreamError (8) if the session is shutting down, SessionLost.
        """
        return Opening(self._open(metadata))

    async def _open(self, metadata: bytes) -> Writer:
        return Writer(self, await self._admitted(frames.ONE_WAY, metadata))

    def call(self, metadata: bytes = b"") -> Opening[Call]:
        """Open a call: a stream that wants an answer. As open."""
        return Opening(self._call(metadata))

    async def _call(self, metadata: bytes) -> Call:
        return Call(self, await self._admitted(frames.CALL, metadata))

    async def _admitted(self, kind: int, metadata: bytes) -> Outbound:
        stream = self.engine.open(kind, metadata)
        self.kick()
        try:
            while not stream.admitted and not stream.finished:
                await self.wait(stream.changed)
        except asyncio.CancelledError:
            self.engine.leave(stream)
            self.kick()
            raise
        if stream.finished and stream.error is not None:
            raise stream.error
        return stream

    async def accept(self) -> Incoming | None:
        """Return the next stream that the peer opens, None when no more can
        come and all is well. Raises what ended the session otherwise."""
        while True:
            stream = self.engine.accept()
            if stream is not None:
                return Incoming(self, stream)
            if self.engine.no_more_accepts():
                self._check_error()
                return None
            await self.wait(self.engine.changed)

    async def __aiter__(self) -> AsyncIterator[Incoming]:
        while (stream := await self.accept()) is not None:
            yield stream

    async def serve(self, handler: Handler) -> None:
        """Handle each stream of the peer in a task of its own until the session
        is over. What a handler leaves open is let go, what it raises is told
        to the peer: a StreamError with code and reason, others as code 6.

        Returns after a clean end, raises the session's error otherwise.
        """
        tasks: set[asyncio.Task[None]] = set()
        try:
            async for stream in self:
                task = asyncio.create_task(self._handle(handler, stream))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await self.wait_closed()
        except BaseException as error:
            for task in list(tasks):
                task.cancel()
            if isinstance(error, OmniError):
                await asyncio.wait([self._task])  # the last word still goes out
            raise
        finally:
            # After a clean end the handlers may still be busy with what they
            # have read: they are waited for.
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _handle(self, handler: Handler, stream: Incoming) -> None:
        try:
            await handler(stream)
        except asyncio.CancelledError as error:
            stream.finish(error)
            raise
        except OmniError as error:
            stream.finish(error)
        except Exception as error:
            stream.finish(error)
            self._loop.call_exception_handler({"message": "a stream's handler failed", "exception": error})
        else:
            stream.finish()

    # The end.

    async def shutdown(self, reason: str = "", timeout: float | None = None) -> None:
        """End in good order: open nothing more, let what lives come to its end,
        say goodbye. After timeout seconds what still lives is lost.

        Raises the session's error if anything was lost.
        """
        self.engine.shutdown.begin(reason)
        self.kick()
        await asyncio.wait([self._task], timeout=timeout)
        if not self._task.done():
            self.engine.fail(SessionLost(Code.SHUTTING_DOWN, "shutdown took too long"))
            self.kick()
        await self.wait_closed()

    async def close(self, code: int = Code.CANCELED, reason: str = "closed") -> None:
        """End at once. What lives is lost, and the peer is told the code."""
        self._abort(code, reason)
        await asyncio.wait([self._task])

    def _abort(self, code: int = Code.CANCELED, reason: str = "closed") -> None:
        """The same without the wait: what it says goes out within a second."""
        self.engine.fail(SessionLost(code, reason))
        self.kick()

    async def wait_closed(self) -> None:
        """Wait until the session is over and the transport closed. Raises why
        if it did not end well."""
        await asyncio.wait([self._task])
        self._check_error()

    def _check_error(self) -> None:
        if self.engine.error is not None:
            raise self.engine.error.with_traceback(None)

    def _check(self) -> None:
        self._check_error()
        if self.engine.over:
            raise StreamError(Code.SHUTTING_DOWN, "the session is over")

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if error is not None:
            await self.close()
            return
        try:
            await self.shutdown()
        except asyncio.CancelledError:
            self._abort()  # nobody is left to wait for what lives
            raise

    # The tasks.

    async def _run(self) -> None:
        """Run both tasks until the transport is to be closed; close it."""
        tasks = [asyncio.create_task(t()) for t in (self._send, self._receive)]
        try:
            await self._closable.wait()
        finally:
            self._timer.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.engine.cut("the session was dropped")
            await self._transport.close(broken=isinstance(self.engine.error, ProtocolError))

    async def _send(self) -> None:
        try:
            while True:
                self._wake.clear()
                while (message := self.engine.pack()) is not None:
                    self._given += 1
                    await self._transport.send(message)
                    self._sent += 1
                if self.engine.over:
                    self._notice_end()  # the last word may have gone
                await self._wake.wait()
        except Exception as error:  # OSError, or what a transport of one's own raises
            self._cut(error)

    async def _receive(self) -> None:
        while True:
            try:
                message = await self._transport.receive()
            except ProtocolError as error:
                self.engine.fail(error)
                self.kick()
                continue
            except Exception as error:
                self._cut(error)
                return
            if message is None:
                self._cut(None)
                return
            self.engine.receive(message)
            self.kick()

    def _cut(self, error: Exception | None) -> None:
        why = f": {str(error) or type(error).__name__}" if error else ""
        self.engine.cut(f"the connection was cut{why}")
        self.kick()

    def _tick(self) -> None:
        """Tell the engine the time, and be called again when it wants that."""
        self._timer.cancel()
        transport, time = self._transport, self.engine.time
        time.alive(transport.heard)
        waiting = transport.waiting()
        if waiting is None:
            time.wrote(self._sent, self._given, self._loop.time())
        else:
            time.wrote(transport.given - waiting, transport.given, self._loop.time())
        due = self.engine.tick(self._transport.begun)
        self.kick()
        if not self._closable.is_set():
            self._timer = self._loop.call_at(max(due, self._loop.time() + 0.001), self._tick)

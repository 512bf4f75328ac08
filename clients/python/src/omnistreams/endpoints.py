"""Sessions by URL: connect, and serve."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from types import TracebackType
from typing import Callable

from .errors import OmniError
from .frames import message_limit
from .session import Handler, Options, Session
from .streams import Opening
from .transport import Listener, Transport, dial, listen


def connect(url: str, options: Options | None = None, *, tls: ssl.SSLContext | None = None) -> Opening[Session]:
    """Connect to a URL: `async with connect(url) as session`, or `await` it.

    Raises OSError if nobody is there. HELLO is not waited for.
    """
    return Opening(_connect(url, options or Options(), tls))


async def _connect(url: str, options: Options, tls: ssl.SSLContext | None) -> Session:
    return Session(await dial(url, message_limit(options.max_item), tls), options)


class Server:
    """Sessions with whoever connects. `url` is where, with the real port."""

    def __init__(
        self, handler: Handler, options: Options, drain: float, failed: Callable[[OmniError], None] | None
    ) -> None:
        self.url = ""
        self._handler = handler
        self._options = options
        self._drain = drain
        self._failed = failed
        self._listener: Listener | None = None
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._closing = False
        self._closed = asyncio.Event()

    async def _start(self, url: str, tls: ssl.SSLContext | None) -> Server:
        self._listener = await listen(url, message_limit(self._options.max_item), self._welcome, tls)
        self.url = self._listener.url
        return self

    async def _welcome(self, transport: Transport) -> None:
        """Serve one connection to its end. A session that fails ends alone."""
        if self._closing:  # its handshake took longer
            await transport.close()
            return
        session = Session(transport, self._options)
        task = asyncio.ensure_future(session.serve(self._handler))
        self._sessions[session] = task
        try:
            await asyncio.shield(task)
        except OmniError as error:
            if self._failed is not None:
                self._failed(error)
        finally:
            del self._sessions[session]

    @property
    def sessions(self) -> list[Session]:
        """The sessions that live now, the oldest first."""
        return list(self._sessions)

    async def serve_forever(self) -> None:
        """Wait until the server is closed."""
        await self._closed.wait()

    async def close(self) -> None:
        """Listen no more, and end all sessions in good order; what lives after
        the time for draining is lost."""
        assert self._listener is not None
        self._closing = True
        try:
            await self._listener.close()
            await asyncio.gather(*(self._end(s, t) for s, t in list(self._sessions.items())))
        except asyncio.CancelledError:
            for session in self.sessions:
                session._abort()  # nobody is left to wait for them
            raise
        finally:
            self._closed.set()

    async def _end(self, session: Session, task: asyncio.Task[None]) -> None:
        with contextlib.suppress(OmniError):
            await session.shutdown("the server is closing", self._drain)
        await asyncio.wait([task])

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()


def serve(
    url: str,
    handler: Handler,
    options: Options | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    drain: float = 10.0,
    failed: Callable[[OmniError], None] | None = None,
) -> Opening[Server]:
    """Serve a URL: each stream that a peer opens is given to handler, in a task
    of its own. `async with serve(url, handler) as server`, or `await` it.

    drain is how many seconds sessions have to end when the server closes.
    failed, if given, is told of each session that did not end well.
    """
    return Opening(Server(handler, options or Options(), drain, failed)._start(url, tls))

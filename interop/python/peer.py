"""The Python side of the interop matrix; README.md, one folder up, is what all such programs do.

    python peer.py serve tcp://127.0.0.1:0
    python peer.py drive tcp://127.0.0.1:1234 [BYTES]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time

from omnistreams import Incoming, OmniError, Options, Session, connect, serve

from breaks import abrupt
from drive import PREFETCH, WINDOW, Drive, greeting
from handlers import Handlers
from pattern import MAX_ITEM
from scenarios import SCENARIOS, Scenario


def tell(**line: object) -> None:
    print(json.dumps(line), flush=True)


def options(name: str) -> Options:
    return Options(metadata=greeting(name), max_item=MAX_ITEM, prefetch=PREFETCH, window=WINDOW)


class Server:
    """Tells how each session ended that has opened a stream."""

    def __init__(self) -> None:
        self._sessions: dict[Session, Handlers] = {}
        self._watching: set[asyncio.Task[None]] = set()

    async def handle(self, incoming: Incoming) -> None:
        session = incoming.session
        handlers = self._sessions.get(session)
        if handlers is None:
            handlers = self._sessions[session] = Handlers(session)
            watch = asyncio.create_task(self._watch(session))
            self._watching.add(watch)
            watch.add_done_callback(self._watching.discard)
        await handlers.router(incoming)

    async def _watch(self, session: Session) -> None:
        peer = session.peer.metadata.decode().rstrip(".")
        error = ""
        try:
            await session.wait_closed()
        except OmniError as e:
            error = str(e)
        del self._sessions[session]
        tell(peer=peer, error=error)

    async def run(self, url: str) -> None:
        """Serve whoever connects, until SIGTERM."""
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with serve(url, self.handle, options("serve")) as server:
            tell(listening=server.url)
            await stop.wait()
        await asyncio.gather(*self._watching)


async def drive(url: str, size: int) -> None:
    """Run all scenarios against a server, and tell how each went."""
    for name, scenario in SCENARIOS.items():
        result: dict[str, object] = {"name": name, "ok": True, "error": "", "bytes": 0, "seconds": 0.0}
        try:
            await asyncio.wait_for(one(url, size, scenario, result), 60)
        except Exception as error:
            result["ok"], result["error"] = False, str(error) or repr(error)
        tell(**result)


async def one(url: str, size: int, scenario: Scenario, result: dict[str, object]) -> None:
    """Run a scenario on a session of its own, which ends in order with it."""
    session = await connect(url, options(str(result["name"])))
    serving = asyncio.create_task(session.serve(Handlers(session).router))
    try:
        began = time.perf_counter()
        result["bytes"] = await scenario(Drive(session, size)) or 0
        result["seconds"] = time.perf_counter() - began
        if scenario is not abrupt:
            await session.shutdown()
    finally:
        await session.close()
        with contextlib.suppress(OmniError):  # the scenario tells
            await serving


def main() -> None:
    role, url, *size = sys.argv[1:]
    if role == "serve":
        asyncio.run(Server().run(url))
    else:
        asyncio.run(drive(url, int(size[0]) if size else 1_000_000))


main()

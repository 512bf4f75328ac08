"""`python -m omnistreams echo`: answer every call with what it sends."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from . import Incoming, OmniError, Options, Session, connect, serve

# What is asked for is what is asked of the answer: nothing ahead.
OPTIONS = Options(prefetch=0, window=1 << 20)


async def echo(stream: Incoming) -> None:
    """Answer a call with its own metadata and items; refuse one-way streams."""
    if not stream.is_call:
        stream.refuse("this echo answers calls, and this is a one-way stream")
        return
    await stream.pipe(stream.reply(stream.metadata))


async def _listen(url: str, stop: asyncio.Event) -> int:
    def failed(error: OmniError) -> None:
        print(f"echo: {error}", file=sys.stderr, flush=True)

    async with serve(url, echo, OPTIONS, failed=failed) as server:
        print(f"listening on {server.url}", flush=True)
        await stop.wait()
    return 0


async def _connect(url: str, stop: asyncio.Event) -> int:
    session: Session = await connect(url, OPTIONS)
    served = asyncio.ensure_future(session.serve(echo))
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait([served, stopped], return_when=asyncio.FIRST_COMPLETED)
    if not served.done():
        await session.shutdown("the echo was stopped", 10.0)
    stopped.cancel()
    await served
    return 0


async def _run(args: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # where loops have no signals
            break
    try:
        return await (_listen(args.listen, stop) if args.listen else _connect(args.connect, stop))
    except (OmniError, OSError, ImportError) as error:
        print(f"echo: {error}", file=sys.stderr)
        return 1


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m omnistreams")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("echo", help="answer every call with what it sends")
    where = command.add_mutually_exclusive_group(required=True)
    where.add_argument("-l", "--listen", metavar="URL", help="wait at URL for the other side")
    where.add_argument("-c", "--connect", metavar="URL", help="connect to the other side at URL")
    args = parser.parse_args()
    try:
        return asyncio.run(_run(args))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(main())

"""Many pull-based streams over one connection, for asyncio.

    async with connect("tcp://127.0.0.1:9000") as session:
        async with session.call(named("upper")) as call:
            await call.write(b"pull, not push")
            call.end()
            async for item in call:
                print(item)

A stream carries items one way, and nothing is written that its reader has not
asked for. A call is a stream with an answer. Both sides of a session open and
accept streams alike. The protocol is SPEC.md of the project, wire version 1.
"""

from .clock import Times
from .endpoints import Server, connect, serve
from .errors import Code, OmniError, ProtocolError, SessionLost, StreamError, TooLarge
from .helpers import Router, named, read_bytes, read_json, to_json, write_bytes, write_json
from .session import Handler, Options, Session
from .streams import Call, Incoming, Reader, Writer
from .transport import Transport

__version__ = "0.1.0"

__all__ = [
    "Call",
    "Code",
    "Handler",
    "Incoming",
    "OmniError",
    "Options",
    "ProtocolError",
    "Reader",
    "Router",
    "Server",
    "Session",
    "SessionLost",
    "StreamError",
    "Times",
    "TooLarge",
    "Transport",
    "Writer",
    "connect",
    "named",
    "read_bytes",
    "read_json",
    "serve",
    "to_json",
    "write_bytes",
    "write_json",
]

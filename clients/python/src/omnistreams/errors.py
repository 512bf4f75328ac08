"""What can go wrong, as exceptions with a code and a reason."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """The codes of rule 13; from 256 on they are the application's."""

    DONE = 0
    CANCELED = 1
    PROTOCOL = 2
    NO_CREDIT = 3
    TOO_LARGE = 4
    REFUSED = 5
    INTERNAL = 6
    TIMED_OUT = 7
    SHUTTING_DOWN = 8
    VERSION = 9


def check(code: int, reason: str) -> None:
    """Raise ValueError or TypeError for what no frame can say."""
    if not isinstance(code, int) or not 0 <= code < 1 << 32:
        raise ValueError(f"a code is a number from 0 to 2^32-1, not {code!r}")
    if not isinstance(reason, str):
        raise TypeError(f"a reason is a str, not {type(reason).__name__}")


class OmniError(Exception):
    """All errors of this package. `code` is that of rule 13, `reason` is for people."""

    def __init__(self, code: int, reason: str) -> None:
        check(code, reason)
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        try:
            name = Code(self.code).name.lower().replace("_", " ")
        except ValueError:
            name = "code"
        return f"{name} ({self.code}): {self.reason}" if self.reason else f"{name} ({self.code})"


class StreamError(OmniError):
    """A stream was broken off, canceled or refused.

    `remote` says whether the other side did it. An opener whose stream was
    turned down with code 5 or 8 may safely try again: nothing was looked at.
    """

    def __init__(self, code: int, reason: str = "", *, remote: bool = False) -> None:
        super().__init__(code, reason)
        self.remote = remote


class SessionLost(OmniError):
    """The session ended before this stream did: what arrived may be incomplete.

    The code is that of the session's end if it has one, else 6. The session's
    own error, if there is one, is the `__cause__`.
    """


class ProtocolError(OmniError):
    """A rule of SPEC.md was broken. The session is over.

    If this side noticed it, `rule` is the number and the reason begins with
    it; if the peer did, `rule` is None and `remote` is true.
    """

    def __init__(self, code: int, reason: str, *, rule: int | None = None, remote: bool = False) -> None:
        super().__init__(code, reason)
        self.rule = rule
        self.remote = remote


class TooLarge(OmniError):
    """An item or metadata is longer than the peer, or the protocol, accepts.

    Nothing was sent; the stream goes on.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(Code.TOO_LARGE, f"{size} bytes, the limit is {limit}")
        self.size = size
        self.limit = limit


def broken(rule: int, code: int, text: str) -> ProtocolError:
    """Make the error for a rule that the peer broke."""
    return ProtocolError(code, f"rule {rule}: {text}", rule=rule)

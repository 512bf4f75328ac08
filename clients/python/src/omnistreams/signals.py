"""Signals: how the engine tells whoever waits that something changed."""

from __future__ import annotations

from typing import Callable


class Signal:
    """Calls back everyone who waits, once each, when it fires.

    It keeps the engine free of asyncio: a session waits by adding the
    completion of a future, a test by adding whatever it likes.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def add(self, call: Callable[[], None]) -> None:
        """Have `call` called when the signal fires next."""
        self._waiting.append(call)

    def remove(self, call: Callable[[], None]) -> None:
        """Forget `call`, if it still waits."""
        if call in self._waiting:
            self._waiting.remove(call)

    def fire(self) -> None:
        """Call back all who wait now."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for call in waiting:
                call()

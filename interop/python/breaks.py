"""Scenarios in which a stream or the session breaks off."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from omnistreams import Code, Session, SessionLost, StreamError, Writer, to_json

from drive import PREFETCH, TAKEN, Drive, fails, last, named, small
from pattern import Counter, Pattern, wrong
from streams import Tally, ask, pour, read, read_tally

ENDLESS = Pattern(400, 50_000_000)  # nobody reads it to the end
BECAUSE = "genug – もう十分 ✋"

# Code and reason of a writer that breaks off, and what is received of the
# reason: the second is cut after the last whole rune within 1,024 bytes.
REASONS = [
    (2**32 - 1, "kaputt – 壊れた ✗", "kaputt – 壊れた ✗"),
    (256, "x" + "ü" * 600, "x" + "ü" * 511),
]


@contextlib.contextmanager
def broken(code: int, reason: str) -> Iterator[None]:
    """Expect an error of the other side, with code and reason."""
    try:
        yield
    except StreamError as error:
        if not error.remote or (error.code, error.reason) != (code, reason):
            raise wrong(f"instead of code {code}, {reason!r} of the other side: {error}") from error
    else:
        raise wrong(f"no error instead of code {code}")


@contextlib.contextmanager
def refused(what: str) -> Iterator[None]:
    try:
        yield
    except StreamError as error:
        if not error.remote or error.code != Code.REFUSED:
            raise wrong(f"{what}: {error}") from error
    else:
        raise wrong(f"{what} is not refused")


async def canceled(out: Writer, code: int, reason: str) -> None:
    """Write until the stream is canceled."""
    written = 0

    def wrote(counter: Counter) -> None:
        nonlocal written
        written = counter.items

    with broken(code, reason):
        await pour(out, ENDLESS, wrote)
    if not TAKEN <= written <= TAKEN + PREFETCH:
        raise wrong(f"{written} items were written to a reader that took {TAKEN}")
    with broken(code, reason):
        await out.wait_closed()


async def saw_end(session: Session, name: str, items: int, code: int, reason: str) -> None:
    """Check how a stream ended for the server."""
    ended(await last(session, name, True), items, code, reason)


def ended(saw: Tally, items: int, code: int, reason: str) -> None:
    if (saw["items"], saw["code"], saw["reason"]) != (items, code, reason):
        raise wrong(f"the server saw {saw} instead of {items} items, code {code}, {reason!r}")


async def break_off(out: Writer, many: int, code: int, reason: str) -> None:
    """Write so many items, then fail."""
    for _, item in zip(range(many), ENDLESS.items()):
        await out.write(item)
    out.fail(code, reason)


async def cancel_up(d: Drive) -> None:
    """The server cancels what it reads, of a call and of a one-way stream, and
    the writer here is told why."""
    about = named("sink", ENDLESS, cancel=TAKEN, code=300, reason=BECAUSE)
    call = await d.session.call(to_json(about))
    await canceled(call, 300, BECAUSE)
    ended(await read_tally(call), TAKEN, 300, BECAUSE)
    await canceled(await d.session.open(to_json({**about, "id": "cancel-up"})), 300, BECAUSE)
    await saw_end(d.session, "cancel-up", TAKEN, 300, BECAUSE)


async def cancel_down(d: Drive) -> None:
    """This side cancels an answer, and the server's writer is told why."""
    call = await ask(d.session, named("source", ENDLESS, id="cancel-down"))
    await read(call, Counter(ENDLESS), TAKEN)
    (await call.answer()).cancel(301, BECAUSE)
    saw = await last(d.session, "cancel-down", True)
    if not TAKEN <= saw["items"] <= TAKEN + PREFETCH or (saw["code"], saw["reason"]) != (301, BECAUSE):
        raise wrong(f"the writer whose reader canceled saw {saw}")


async def give_up(d: Drive) -> None:
    """This side gives up a call that has no answer yet."""
    call = await d.session.call(to_json(named("source", ENDLESS, id="give-up")))
    call.cancel(302, BECAUSE)
    await saw_end(d.session, "give-up", 0, 302, BECAUSE)


async def fail_up(d: Drive) -> None:
    """This side breaks off what it writes; the server reads what came before, then why."""
    for i, (code, reason, received) in enumerate(REASONS):
        name = f"fail-up {i}"
        call = await d.session.call(to_json(named("sink", ENDLESS, id=name)))
        await break_off(call, TAKEN, code, reason)
        await saw_end(d.session, name, TAKEN, code, received)
        with broken(code, received):  # the sink breaks off its answer with what it saw
            await call.read()
        name += " one-way"
        await break_off(await d.session.open(to_json(named("sink", ENDLESS, id=name))), TAKEN, code, reason)
        await saw_end(d.session, name, TAKEN, code, received)


async def fail_down(d: Drive) -> None:
    """The server breaks off what it writes."""
    for i, (code, reason, received) in enumerate(REASONS):
        about = named("source", ENDLESS, id=f"fail-down {i}", fail=TAKEN, code=code, reason=reason)
        call = await ask(d.session, about)
        await read(call, Counter(ENDLESS), TAKEN)
        with broken(code, received):
            await call.read()


async def refuse(d: Drive) -> None:
    """Names that nobody serves, and metadata without one, are refused."""
    for about in (b'{"name":"nobody"}', b'{"Name":"echo"}', b'{"name":7}', b'["name"]', b"not JSON", b""):
        call = await d.session.call(about)
        with refused(f"a call of {about!r}"):
            await call.read()
        with refused(f"the question of {about!r}"):
            await pour(call, ENDLESS)
        with refused(f"a stream of {about!r}"):
            await (await d.session.open(about)).wait_closed()


async def churn_cancel(session: Session, many: int) -> None:
    """Cancel an answer."""
    call = await ask(session, named("source", ENDLESS))
    await read(call, Counter(ENDLESS), many)
    (await call.answer()).cancel(303, BECAUSE)


async def churn_canceled(session: Session, many: int) -> None:
    """Have the server cancel a one-way stream."""
    about = named("sink", ENDLESS, cancel=many, code=304, reason=BECAUSE)
    with broken(304, BECAUSE):
        await pour(await session.open(to_json(about)), ENDLESS)


async def churn_give_up(session: Session, _: int) -> None:
    """Give up a call at once."""
    (await session.call(to_json(named("source", ENDLESS)))).cancel(305, BECAUSE)


async def churn_fail(session: Session, many: int) -> None:
    """Break off a question."""
    call = await session.call(to_json(named("sink", ENDLESS)))
    await break_off(call, many, 306, BECAUSE)
    with broken(306, BECAUSE):
        await call.read()


async def churn(d: Drive) -> None:
    """Streams that break off in all ways and at all times, more than there are
    slots, leave nothing behind."""
    ways = (churn_cancel, churn_canceled, churn_give_up, churn_fail)
    await asyncio.gather(*(ways[i % len(ways)](d.session, 1 + i % 19) for i in range(400)))
    await small(d.session)


async def abrupt(d: Drive) -> None:
    """Of a session that is broken off the server tells otherwise."""
    call = await ask(d.session, named("source", ENDLESS))
    counter = Counter(ENDLESS)
    await read(call, counter, 1)
    await d.session.close()
    with fails(SessionLost, "a stream of a session that was closed"):
        await read(call, counter)

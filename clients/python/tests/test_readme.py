"""The README's two programs, as they stand there: with each other, and one with the tool."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from conftest import environment, listening, program

README = (Path(__file__).parents[1] / "README.md").read_text()
ANSWERS, CALLS = re.findall(r"```python\n(.*?)```", README, re.S)
URL = "tcp://127.0.0.1:9000"


async def call(url: str) -> list[str]:
    """Run the program that calls; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CALLS.replace(URL, url), stdout=subprocess.PIPE, env=environment()
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    return out.decode().split()


def test_they_are_short() -> None:
    assert max(len(ANSWERS.splitlines()), len(CALLS.splitlines())) <= 15
    assert ANSWERS.count(URL) == CALLS.count(URL) == 1


def test_one_calls_the_other(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "s"
        async with program(sys.executable, "-c", ANSWERS.replace(URL, f"unix:{path}"), status=None):
            while not path.exists():
                await asyncio.sleep(0.01)
            assert await call(f"unix:{path}") == ["b'PULL'", "b'NOT'", "b'PUSH'"]

    asyncio.run(asyncio.wait_for(run(), 60))


def test_one_calls_omni_echo(omni: str) -> None:
    async def run() -> None:
        async with listening(omni, "echo", "-l", "tcp://127.0.0.1:0") as there:
            assert await call(there) == ["b'pull'", "b'not'", "b'push'"]

    asyncio.run(run())

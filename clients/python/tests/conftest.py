"""The omni tool of the checkout, and programs that say where they listen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import AsyncIterator

import pytest

ROOT = Path(__file__).parents[3]
PYTHON_ECHO = [sys.executable, "-m", "omnistreams", "echo"]


@pytest.fixture(scope="session")
def omni(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of the omni tool: OMNI_BIN, or built from the checkout."""
    given = os.environ.get("OMNI_BIN")
    if given:
        return given
    if shutil.which("go") is None:
        if os.environ.get("OMNI_REQUIRE") == "all":
            pytest.fail("there is no go to build omni with", pytrace=False)
        pytest.skip("there is no go to build omni with")
    path = tmp_path_factory.mktemp("omni") / "omni"
    subprocess.run(["go", "build", "-o", str(path), "."], cwd=ROOT / "cmd" / "omni", check=True)
    return str(path)


def environment() -> dict[str, str]:
    """Return an environment in which the package is found uninstalled."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}


@contextlib.asynccontextmanager
async def program(*command: str, status: int | None = 0) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program; end it by SIGTERM, which must give this exit status, if not None."""
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, env=environment())
    try:
        yield process
        if process.returncode is None:
            process.terminate()
        ended = await asyncio.wait_for(process.wait(), 15)
        assert status is None or ended == status
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def listening(*command: str) -> AsyncIterator[str]:
    """Run a program that listens; yield the URL that it says."""
    async with program(*command) as process:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 15)
        assert line.startswith(b"listening on "), line
        yield line.decode().split()[-1]

"""The suite of the omni tool, `omni conform`, against the echo program."""

from __future__ import annotations

import asyncio
import re
import subprocess

import pytest

from conftest import PYTHON_ECHO, listening


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:0", "ws://127.0.0.1:0/"])
def test_omni_conform(omni: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> tuple[int | None, str]:
        async with listening(*PYTHON_ECHO, "-l", url) as there:
            suite = await asyncio.create_subprocess_exec(
                omni, "conform", "-c", there, "--timeout", "10s", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            try:
                out, _ = await asyncio.wait_for(suite.communicate(), 150)
            finally:
                if suite.returncode is None:
                    suite.kill()
                    await suite.wait()
            return suite.returncode, out.decode()

    code, out = asyncio.run(run())
    summary = re.search(r"^(\d+) passed, (\d+) failed.*$", out, re.M)
    assert summary is not None, out
    with capsys.disabled():
        print(f"\nomni conform -c {url}: {summary[0]}")
    failed = [line for line in out.splitlines() if line.startswith("failed ")]
    assert code == 0 and not failed and summary[2] == "0" and int(summary[1]) > 100, "\n".join(failed) or out

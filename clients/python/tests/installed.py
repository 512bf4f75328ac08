"""Runs the README's caller by the interpreter that runs this, against `omni echo`.

    python -I tests/installed.py OMNI [websocket]

It is for a wheel that was installed: the package must not be the checkout's.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import omnistreams

CHECKOUT = Path(__file__).resolve().parents[1]
README_URL = "tcp://127.0.0.1:9000"


def caller(url: str) -> str:
    """Return the README's program that calls, with another URL."""
    programs = re.findall(r"```python\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.S)
    (program,) = (text for text in programs if "connect(" in text)
    assert README_URL in program
    return str(program).replace(README_URL, url)


def call(omni: str, url: str) -> subprocess.CompletedProcess[str]:
    """Run it against `omni echo` at the URL."""
    echo = subprocess.Popen([omni, "echo", "-l", url], stdout=subprocess.PIPE, text=True)
    try:
        assert echo.stdout is not None
        there = echo.stdout.readline().split()[-1]
        return subprocess.run(
            [sys.executable, "-I", "-c", caller(there)], capture_output=True, text=True, timeout=30
        )
    finally:
        echo.terminate()
        echo.wait(15)


def main() -> None:
    omni, extras = sys.argv[1], sys.argv[2:]
    package = Path(omnistreams.__file__).resolve().parent
    assert CHECKOUT not in package.parents, f"{package} is the checkout's"
    assert (package / "py.typed").exists()
    urls = ["tcp://127.0.0.1:0"] + (["ws://127.0.0.1:0/"] if extras else [])
    for url in urls:
        done = call(omni, url)
        print(f"{package}: {url}: {done.stdout.split()} {done.stderr}")
        assert (done.returncode, done.stdout) == (0, "b'pull'\nb'not'\nb'push'\n")
    if not extras:  # then WebSocket says what is missing
        done = call(omni, "ws://127.0.0.1:0/")
        assert done.returncode != 0 and "install omnistreams[websocket]" in done.stderr, done


if __name__ == "__main__":
    main()

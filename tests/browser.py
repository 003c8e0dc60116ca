"""A real browser for tests: headless Chromium, told what to do through two pipes.

It speaks the Chrome DevTools Protocol (https://chromedevtools.github.io/devtools-protocol/), which
needs no package and no port.
"""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "chrome-headless-shell")
TIMEOUT_S = 60
# Chromium reads from descriptor 3 and writes to 4; they are free only after the fork.
_START = (
    "import os, sys; r, w, *command = sys.argv[1:]; os.dup2(int(r), 3); os.dup2(int(w), 4); "
    "os.execv(command[0], command)"
)


def chromium() -> str | None:
    """The program: VARIEGATE_CHROMIUM, what `make test` set up, or what is installed."""
    own = ROOT / ".venv" / "browser" / "chromium"
    named = os.environ.get("VARIEGATE_CHROMIUM") or (str(own) if own.is_file() else None)
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a browser.

    Attributes:
        console: what the page wrote to its console, and its errors.
        requests: addresses that it asked for.
    """

    def __init__(self, folder: Path, program: str) -> None:
        there, self._write = os.pipe()
        self._read, back = os.pipe()
        inner = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (there, back)]
        libraries = Path(program).parent / "lib"
        command = [
            *(program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-dev-shm-usage", "--disable-background-networking"),
            *("--remote-debugging-pipe", f"--user-data-dir={folder}"),
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, *map(str, inner), *command],
            pass_fds=inner,
            env={
                **os.environ,
                **({"LD_LIBRARY_PATH": str(libraries)} if libraries.is_dir() else {}),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for one in (there, back, *inner):
            os.close(one)
        self._buffer, self._number, self._session = b"", 0, None
        self.console: list[str] = []
        self.requests: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, path: Path | str, *, width: int, dark: bool = False) -> None:
        """Open a file, or a URL, as a window of some width shows it."""
        self.console.clear()
        self.requests.clear()
        self._loaded = False
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        url = path if isinstance(path, str) else path.resolve().as_uri()
        self.ask("Page.navigate", url=url)
        while not self._loaded:
            self._next()

    def value(self, script: str) -> Any:
        """Return what an expression is in the page."""
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, script: str, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until an expression is true in the page."""
        ends = time.monotonic() + timeout_s
        while not self.value(script):
            assert time.monotonic() < ends, f"not true in time: {script}; console: {self.console}"
            time.sleep(0.05)

    def key(self, name: str) -> None:
        """Press a key and let it go."""
        code = {"Tab": 9, "Enter": 13, "ArrowRight": 39, "ArrowDown": 40}[name]
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if name == "Enter" and kind == "keyDown" else {}
            self.ask(
                "Input.dispatchKeyEvent",
                **{"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code, **text},
            )

    def screenshot(self, *, whole: bool = False) -> bytes:
        """Return what is seen as a PNG file."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def close(self) -> None:
        """End the browser."""
        self._session = None
        with contextlib.suppress(OSError, AssertionError, EOFError):
            self.ask("Browser.close")
        os.close(self._write)
        os.close(self._read)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _next(self) -> dict[str, Any]:
        """Return the next message; take note of what a test asks for."""
        until = time.monotonic() + TIMEOUT_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            more = os.read(self._read, 1 << 20)
            if not more:
                raise EOFError("the browser ended")
            self._buffer += more
        text, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(text)
        told = message.get("params", {})
        match message.get("method"):
            case "Runtime.consoleAPICalled":
                self.console.append(str(told["args"]))
            case "Runtime.exceptionThrown":
                self.console.append(str(told["exceptionDetails"]))
            case "Log.entryAdded":
                self.console.append(told["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            case "Page.loadEventFired":
                self._loaded = True
            case "Page.javascriptDialogOpening":
                self.console.append(f"dialog: {told['message']}")
        return message


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Start a browser; the test is skipped where there is none."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium: install it, or set VARIEGATE_CHROMIUM to the program")
    one = Browser(folder, program)
    try:
        yield one
    finally:
        one.close()

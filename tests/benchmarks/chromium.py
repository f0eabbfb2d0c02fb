"""A headless Chromium, driven by the DevTools protocol over a pipe: no port, no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

EXECUTABLE = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
KEYS = {"Enter": (13, "\r"), " ": (32, " "), "Tab": (9, "")}


class Chromium:
    """The browser with one page. Use as a context manager.

    `requests` are the addresses asked for, `complaints` what was written to the console and what
    was thrown.
    """

    def __init__(self, profile: Path) -> None:
        here, theirs = os.pipe(), os.pipe()
        # the browser reads commands from descriptor 3 and writes to 4
        shell = f'exec "$@" 3<&{here[0]} 4>&{theirs[1]}'
        command = [
            "bash",
            "-c",
            shell,
            "chromium",
            EXECUTABLE,
            *FLAGS,
            f"--user-data-dir={profile}",
        ]
        self._process = subprocess.Popen(
            command,
            pass_fds=(here[0], theirs[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(here[0])
        os.close(theirs[1])
        self._commands, self._answers = os.fdopen(here[1], "wb"), os.fdopen(theirs[0], "rb")
        self._waiting, self._count, self._session = b"", 0, None
        self.events, self.requests, self.complaints = [], [], []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._commands.close()
        self._process.terminate()
        self._process.wait(timeout=30)
        self._answers.close()

    def send(self, method, **parameters):
        """Sends a command and returns its result; what happens meanwhile is noted."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _receive(self):
        while b"\0" not in self._waiting:
            piece = os.read(self._answers.fileno(), 1 << 20)
            if not piece:
                raise RuntimeError("Chromium has gone")
            self._waiting += piece
        message, _, self._waiting = self._waiting.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        name, what = event.get("method"), event.get("params", {})
        self.events.append(name)
        if name == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
        elif name in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(what)

    def open(self, file: Path):
        """Load a file and wait until it is complete."""
        self.events.clear()
        self.send("Page.navigate", url=file.as_uri())
        while "Page.loadEventFired" not in self.events:
            self._note(self._receive())

    def run(self, script):
        """Return the value of an expression in the page, as JSON."""
        found = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def resize(self, width, height=800, scale=1):
        """Resize the window, in CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )

    def emulate(self, medium="screen", scheme="light"):
        """Show the page as on paper ("print"), or with another colour scheme."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=medium, features=features)

    def press(self, key):
        """Press and release a key."""
        code, text = KEYS[key]
        common = {"key": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def click(self, selector):
        """Click in the middle of the first element that a selector finds."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send(
                "Input.dispatchMouseEvent",
                type=kind,
                x=box[0],
                y=box[1],
                button="left",
                clickCount=1,
            )

"""A headless Chromium that tests look through: real mouse events and scripts, no driver needed.

Speaks the browser's own DevTools protocol over its web socket, by tornado, which bokeh brings.
"""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import time
from pathlib import Path

from tornado.websocket import websocket_connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
WAIT_S = 180  # a loaded machine is slow


def find():
    """The browser's program, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def page(path: Path, profile: Path, size=(1400, 900)):
    """A local file opened in a browser of its own, whose profile lies in the folder `profile`."""
    command = [find(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += ["--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    command.append(f"--window-size={size[0]},{size[1]}")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with asyncio.Runner() as runner:
                opened = Page(runner, _address(profile / "DevToolsActivePort"))
                opened.open(path)
                yield opened
        finally:
            process.terminate()


def _address(file):
    end = time.monotonic() + WAIT_S
    while not (file.exists() and len(lines := file.read_text().split()) == 2):
        assert time.monotonic() < end, "the browser does not start"
        time.sleep(0.1)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"


class Page:
    """One page. `requests` are the addresses it asked for."""

    def __init__(self, runner, address):
        self.runner, self.requests, self.errors, self.session, self.number = runner, [], [], None, 0
        self.socket = runner.run(_connect(address))
        (target,) = (
            t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page"
        )
        target = {"targetId": target["targetId"], "flatten": True}
        self.session = self.send("Target.attachToTarget", **target)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.send(f"{domain}.enable")

    def send(self, method, **params):
        """Send one command and return its answer; events on the way are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        return self.runner.run(asyncio.wait_for(self._ask(message), WAIT_S))

    async def _ask(self, message):
        await self.socket.write_message(json.dumps(message))
        while True:
            answer = json.loads(await self.socket.read_message())
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"]["text"])
            if answer.get("id") == message["id"]:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def open(self, path):
        self.send("Page.navigate", url=Path(path).absolute().as_uri())

    def evaluate(self, expression):
        """The value of a JavaScript expression."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression):
        """The value of an expression, once it is true."""
        end = time.monotonic() + WAIT_S
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < end, f"waited in vain for {expression}"
            time.sleep(0.1)
        return value

    def move(self, x, y):
        """Move the mouse to a place of the window, in px."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x, y):
        """Click on a place of the window, in px."""
        for kind in ("mousePressed", "mouseReleased"):
            at = {"x": x, "y": y, "button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, **at)

    def wheel(self, x, y, turn):
        """Turn the mouse's wheel."""
        at = {"x": x, "y": y, "deltaX": 0, "deltaY": turn}
        self.send("Input.dispatchMouseEvent", type="mouseWheel", **at)

    def screenshot(self, path):
        """Write what is seen as PNG."""
        data = self.send("Page.captureScreenshot")["data"]
        Path(path).write_bytes(base64.b64decode(data))


async def _connect(address):
    return await websocket_connect(address, max_message_size=1 << 28)

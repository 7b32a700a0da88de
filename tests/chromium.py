"""A headless Chromium that tests open pages in, driven over the DevTools protocol.

The WebSocket client is ours and holds what this needs: text messages over a local connection.
Source: RFC 6455 (WebSocket); chromedevtools.github.io/devtools-protocol.
"""

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import time
import urllib.request
from pathlib import Path

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE_S = 30.0

_FLAGS = (
    "--headless=new", "--no-sandbox", "--remote-debugging-port=0", "--no-first-run",
    "--no-default-browser-check", "--disable-gpu", "--disable-dev-shm-usage",
    "--disable-extensions", "--disable-sync", "--disable-background-networking",
    "--disable-component-update", "--disable-default-apps", "--mute-audio", "--no-proxy-server",
    "--hide-scrollbars", "--force-device-scale-factor=1",
)  # fmt: skip
_KEYS = {"Enter": 13, "Tab": 9, "End": 35, "Home": 36, "PageUp": 33, "PageDown": 34} | {
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip


class WebSocket:
    """A connection that sends and receives texts; `url` is `ws://host:port/path`."""

    def __init__(self, url):
        host, _, path = url.removeprefix("ws://").partition("/")
        name, _, port = host.partition(":")
        self._socket = socket.create_connection((name, int(port)), timeout=PATIENCE_S)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._stream = self._socket.makefile("rb")
        status = self._stream.readline()
        assert b" 101 " in status, status
        while self._stream.readline().strip():
            pass

    def send(self, text):
        content = text.encode()
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(content))
        if len(content) < 126:
            size = struct.pack("!B", 0x80 | len(content))
        elif len(content) < 2**16:
            size = struct.pack("!BH", 0x80 | 126, len(content))
        else:
            size = struct.pack("!BQ", 0x80 | 127, len(content))
        self._socket.sendall(b"\x81" + size + mask + masked)

    def receive(self):
        """Return the next text; a long one comes in several frames."""
        parts = []
        while True:
            first, second = self._stream.read(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack("!H", self._stream.read(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", self._stream.read(8))
            content = self._stream.read(size)
            if first & 0x0F in (0, 1):  # a text or its continuation; pings need no answer here
                parts.append(content)
                if first & 0x80:
                    return b"".join(parts).decode()

    def close(self):
        self._stream.close()
        self._socket.close()


class Chromium:
    """One browser with one page; a context manager.

    Attributes:
        folder: where downloads lie.
        problems: errors of the console, uncaught exceptions and refused requests since `open`.
        requests: addresses the page asked for since `open`, the page's own among them.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.problems = []
        self.requests = []
        self._n_sent = 0
        profile = Path(folder) / "profile"
        self._process = subprocess.Popen(
            [PROGRAM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._connection = WebSocket(self._page_address(profile / "DevToolsActivePort"))
        except BaseException:
            self._stop()
            raise
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.command(f"{domain}.enable")
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()
        self._stop()

    def _stop(self):
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _page_address(self, port_file):
        wait_for(lambda: port_file.exists() and "\n" in port_file.read_text())
        port = port_file.read_text().split("\n")[0]

        def pages():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                return [target for target in json.load(answer) if target["type"] == "page"]

        return wait_for(pages)[0]["webSocketDebuggerUrl"]

    def command(self, method, **parameters):
        """Send one command and return its result; what happens meanwhile is noted."""
        self._n_sent += 1
        number = self._n_sent
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := json.loads(self._connection.receive())).get("id") != number:
            self._note(message)
        assert "error" not in message, (method, message["error"])
        return message["result"]

    def _note(self, message):
        method, parameters = message.get("method"), message.get("params")
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(parameters["exceptionDetails"])
        elif method == "Log.entryAdded" or (
            method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning")
        ):
            self.problems.append(parameters)

    def open(self, path, width=1280, height=900):
        """Load a file and wait until its scripts have run."""
        self.resize(width, height)
        self.command("Page.navigate", url="about:blank")
        self.problems, self.requests = [], []
        self.command("Page.navigate", url=Path(path).as_uri())
        loaded = f"location.href === {json.dumps(Path(path).as_uri())}"
        wait_for(lambda: self.evaluate(f"{loaded} && document.readyState === 'complete'"))

    def resize(self, width, height=900):
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def evaluate(self, expression):
        """Return the value of a JavaScript expression."""
        answer = self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")

    def is_visible(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).checkVisibility()")

    def focus(self, selector):
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")

    def choose(self, selector, value):
        """Set a select or a slider as a person would: its events follow."""
        self.evaluate(
            f"(() => {{ const node = document.querySelector({json.dumps(selector)});"
            f"node.value = {json.dumps(value)};"
            "for (const name of ['input', 'change'])"
            "  node.dispatchEvent(new Event(name, {bubbles: true})); })()"
        )

    def press(self, *keys):
        for key in keys:
            text = "\r" if key == "Enter" else ""  # without it Enter does not press a button
            for kind in ("keyDown" if text else "rawKeyDown", "keyUp"):
                self.command(
                    "Input.dispatchKeyEvent", type=kind, key=key, code=key, text=text,
                    windowsVirtualKeyCode=_KEYS[key],
                )  # fmt: skip

    def hover(self, selector, x=0.5, y=0.5):
        """Move the mouse over an element, to shares of its width and height; return the point."""
        left, top, width, height = self.evaluate(
            f"(() => {{ const node = document.querySelector({json.dumps(selector)});"
            "node.scrollIntoView({block: 'center'});"
            "const box = node.getBoundingClientRect();"
            "return [box.left, box.top, box.width, box.height]; })()"
        )
        point = {"x": left + x * width, "y": top + y * height}
        self.command("Input.dispatchMouseEvent", type="mouseMoved", **point)
        return point

    def click(self, selector, x=0.5, y=0.5):
        point = self.hover(selector, x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.command(
                "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **point
            )

    def media(self, name):
        """Show the page as on `print`, or with an empty name as on a screen."""
        self.command("Emulation.setEmulatedMedia", media=name)

    def screenshot(self, path):
        """Save a picture of the whole page, not only of what the window shows."""
        answer = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(answer["data"]))


def wait_for(condition):
    """Return the first true value of a function; fail after a while."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise TimeoutError("the browser does not answer")

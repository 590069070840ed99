"""A browser for tests: Chromium over its DevTools protocol, with the standard library only.

    with Browser(find_browser()) as browser:
        page = browser.open(url)
        page.run("document.title")

`run` evaluates JavaScript and returns its value, awaiting promises; `until` waits for an
expression to be true. `click`, `type` and `press` go through the browser's own input, as
a person's would. `page.complaints` has what the console and the policy complained about.
`browser.open(url, beside=page)` opens a tab that shares the profile of the page.
"""

import base64
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import zlib

PATIENCE = 20   # seconds until a condition that must come true has failed
STARTING = 60   # seconds that a browser may take on a cold disk
# The first two are Chromium without what is around the page, which takes half of its processor time.
NAMES = ("chromium-headless-shell", "chrome-headless-shell", "chromium", "chromium-browser", "google-chrome",
         "google-chrome-stable", "chrome")
# Features that cost processes or frames which no test needs: the popup of the address bar costs as much as
# a page, and RenderDocument replaces the frame of a page that is loaded again.
SPARE = ("SpareRendererForSitePerProcess", "BackForwardCache", "WebUIOmniboxPopup", "WebUIOmniboxAimPopup",
         "WebUIOmniboxFullPopup", "RenderDocument")
KEYS = {"Enter": 13, "Escape": 27, " ": 32, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36,
        "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Delete": 46, "Tab": 9}
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}


def find_browser():
    """The path of a browser that can be driven, or None."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class WebSocket:
    """A client of RFC 6455, as far as a DevTools server needs one: text, one reader."""

    def __init__(self, url):
        host, port, path = re.fullmatch(r"ws://([^:/]+):(\d+)(/.*)", url).groups()
        self._sock = socket.create_connection((host, int(port)), PATIENCE)
        self._sock.sendall(("GET %s HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
                            % (path, host, port, base64.b64encode(os.urandom(16)).decode())).encode())
        self._reader = self._sock.makefile("rb")
        status = self._reader.readline()
        assert b" 101 " in status, status
        while self._reader.readline() != b"\r\n":
            pass
        self._sock.settimeout(None)
        self._lock = threading.Lock()

    def send(self, text):
        data, mask = text.encode(), b"\0\0\0\0"     # a mask of zeros leaves the data as it is
        length = len(data)
        if length < 126:
            head = struct.pack("!BB", 0x81, 0x80 | length)
        elif length < 65536:
            head = struct.pack("!BBH", 0x81, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", 0x81, 0x80 | 127, length)
        with self._lock:
            self._sock.sendall(head + mask + data)

    def receive(self):
        """The next text message; None when the connection has ended."""
        message = b""
        while True:
            head = self._reader.read(2)
            if len(head) < 2 or head[0] & 15 == 8:
                return None
            length = head[1] & 127
            if length > 125:
                size = 2 if length == 126 else 8
                length = int.from_bytes(self._reader.read(size), "big")
            data = self._reader.read(length)
            if head[0] & 15 in (0, 1):
                message += data
                if head[0] & 128:
                    return message.decode()

    def close(self):
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._reader.close()
        self._sock.close()


class Failed(Exception):
    """The browser did not do what it was told."""


class Browser:
    """One headless browser process; a context manager."""

    def __init__(self, path):
        self._profile = tempfile.mkdtemp(prefix="dlserv-browser-")
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
                     "--no-first-run", "--user-data-dir=" + self._profile, "--disable-dev-shm-usage",
                     "--disable-extensions",
                     "--disable-features=" + ",".join(SPARE),
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--mute-audio", "--no-default-browser-check", "--remote-allow-origins=*", "about:blank"]
        self._process = subprocess.Popen(
            [path] + arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, start_new_session=True)
        self._socket, self._waiting, self._pages = None, {}, {}
        self._number, self._news = 0, threading.Condition()
        try:
            self._socket = WebSocket(self._address())
        except BaseException:
            self.close()
            raise
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._listen, self._drain)]
        for thread in self._threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def _address(self):
        watch = threading.Timer(STARTING, self._process.kill)
        watch.start()
        try:
            for line in self._process.stderr:
                match = re.search(rb"DevTools listening on (ws://\S+)", line)
                if match:
                    return match.group(1).decode()
        finally:
            watch.cancel()
        raise Failed("the browser did not start")

    def _drain(self):
        for _ in self._process.stderr:
            pass

    def close(self):
        if self._socket is not None:
            self._socket.close()
            for thread in self._threads[:1]:
                thread.join(PATIENCE)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        if self._socket is not None:
            self._threads[1].join(PATIENCE)
        self._process.stderr.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(self, url, width=1280, height=800, scheme="light", beside=None, before=""):
        """Return a new page at the URL: a tab of the page `beside`, else one of its own profile.

        The script `before` runs in it before those of the page.
        """
        context = beside.context if beside else self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session, context)
        for domain in ("Page", "Runtime", "Log"):
            page.call(domain + ".enable")
        page.resize(width, height)
        page.prefer(scheme)
        page.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        page.go(url)
        return page

    def forget(self, page):
        """Close the page, and all tabs beside it."""
        if page.session not in self._pages:
            return
        for session in [each.session for each in self._pages.values() if each.context == page.context]:
            del self._pages[session]
        self.call("Target.disposeBrowserContext", browserContextId=page.context)

    def call(self, method, session=None, **parameters):
        """Send one command; return its result."""
        with self._news:
            self._number += 1
            number = self._number
            self._waiting[number] = None
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self._socket.send(json.dumps(message))
        with self._news:
            if not self._news.wait_for(lambda: self._waiting[number] is not None, 2 * PATIENCE):
                raise Failed("%s: no answer" % method)
            answer = self._waiting.pop(number)
        if "error" in answer:
            raise Failed("%s: %s" % (method, answer["error"].get("message")))
        return answer["result"]

    def _listen(self):
        while True:
            text = self._receive()
            if text is None:
                break
            message = json.loads(text)
            with self._news:
                if "id" in message:
                    self._waiting[message["id"]] = message
                elif message.get("sessionId") in self._pages:
                    self._pages[message["sessionId"]].hear(message["method"], message["params"])
                self._news.notify_all()
        with self._news:
            for number in self._waiting:
                self._waiting[number] = {"error": {"message": "the browser has gone"}}
            self._news.notify_all()

    def _receive(self):
        try:
            return self._socket.receive()
        except (OSError, ValueError):
            return None


class Page:
    """One tab."""

    def __init__(self, browser, session, context):
        self._browser, self.session, self.context = browser, session, context
        self.complaints = []

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._browser.forget(self)

    def call(self, method, **parameters):
        return self._browser.call(method, self.session, **parameters)

    def hear(self, method, told):
        if method == "Log.entryAdded" and told["entry"]["level"] in ("warning", "error") \
                and told["entry"]["source"] != "network":       # answers of 4xx are no mistakes of the page
            self.complaints.append("%(source)s: %(text)s" % told["entry"])
        elif method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert"):
            self.complaints.append(str([each.get("value") for each in told["args"]]))

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=False)

    def prefer(self, scheme, forced=False):
        """Set the colour scheme, and whether the system forces its own few colours."""
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "forced-colors", "value": "active" if forced else "none"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def go(self, url):
        self.call("Page.navigate", url=url)
        self.until("location.href.startsWith(%s) && document.readyState === 'complete'"
                   % json.dumps(url.split("?")[0]))

    def run(self, expression):
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Failed(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def until(self, expression, seconds=PATIENCE):
        """Wait in the page until the expression is true; return its value."""
        looked = "new Promise((resolve, reject) => { const end = Date.now() + %d; (function look() {" \
                 " let value; try { value = (%s); } catch (error) { value = null; }" \
                 " if (value) resolve(value); else if (Date.now() > end) reject(Error('waited in vain'));" \
                 " else setTimeout(look, 15); })(); })" % (seconds * 1000, expression)
        for _ in range(3):
            try:
                return self.run(looked)
            except Failed as error:     # a navigation takes the old page and the promise with it
                if "context" not in str(error) and "navigat" not in str(error):
                    raise Failed("%s: %s" % (expression, error)) from None
        raise Failed(expression)

    def hide(self):
        """Minimize the window of the tab."""
        self._set_window("minimized")

    def show(self):
        """Bring the tab and its window to the front."""
        self._set_window("normal")
        self.call("Page.bringToFront")

    def _set_window(self, state):
        number = self.call("Browser.getWindowForTarget")["windowId"]
        self.call("Browser.setWindowBounds", windowId=number, bounds={"windowState": state})

    def click(self, selector, index=0, modifiers=(), count=1, button="left"):
        """Click into the middle of an element, as a mouse does."""
        self.until("document.querySelectorAll(%s)[%d]?.getClientRects().length" % (json.dumps(selector), index))
        spot = self.run("(() => { const found = document.querySelectorAll(%s)[%d];"
                        " found.scrollIntoView({block: 'nearest'});"
                        " const {x, y, width, height} = found.getBoundingClientRect();"
                        " return [x + width / 2, y + height / 2]; })()" % (json.dumps(selector), index))
        bits = sum(MODIFIERS[each] for each in modifiers)
        for number in range(1, count + 1):
            for kind in ("mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button=button,
                          clickCount=number, modifiers=bits)

    def type(self, text):
        """Put text where the focus is."""
        self.call("Input.insertText", text=text)

    def press(self, *keys):
        """Press keys: "a", "Enter", "Shift+ArrowDown", "Control+a"."""
        for chord in keys:
            *held, key = chord.split("+") if chord != "+" else ["+"]
            bits = sum(MODIFIERS[each] for each in held)
            code = KEYS.get(key) or ord(key.upper())
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            text = {} if bits & ~MODIFIERS["Shift"] or not text else {"text": text}
            fields = dict(key=key, windowsVirtualKeyCode=code, modifiers=bits)
            down = dict(fields, type="keyDown" if text else "rawKeyDown", **text)
            self.call("Input.dispatchKeyEvent", **down)
            self.call("Input.dispatchKeyEvent", type="keyUp", **fields)

    def picture(self, path):
        """Save what is seen as PNG."""
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def colours(self, selector, *shares):
        """Return the (red, green, blue) seen at each share of an element's width, half way down."""
        box = self.run("(({x, y, width, height}) => ({x, y, width, height}))"
                       "(document.querySelector(%s).getBoundingClientRect())" % json.dumps(selector))
        taken = self.call("Page.captureScreenshot", clip=dict(box, scale=1))
        rows, pixel = _pixels(base64.b64decode(taken["data"]))
        row = rows[len(rows) // 2]
        spots = [int(share * len(row) / pixel) * pixel for share in shares]
        return [tuple(row[spot:spot + 3]) for spot in spots]


def _pixels(png):
    """Return (rows of bytes, bytes of one pixel) of a PNG of eight bits, as a browser makes them."""
    width, height, _, kind = struct.unpack_from("!IIBB", png, 16)
    data, at = b"", 8
    while at < len(png):
        size, name = struct.unpack_from("!I4s", png, at)
        data += png[at + 8:at + 8 + size] if name == b"IDAT" else b""
        at += 12 + size
    pixel = {2: 3, 6: 4}[kind]
    raw, rows, length = zlib.decompress(data), [bytes(width * pixel)], width * pixel
    for start in range(0, height * (length + 1), length + 1):
        rows.append(_unfiltered(raw[start], bytearray(raw[start + 1:start + 1 + length]), rows[-1], pixel))
    return rows[1:], pixel


def _unfiltered(kind, row, above, pixel):
    """Undo one of PNG's five filters (RFC 2083, 6)."""
    for index in range(len(row)):
        left = row[index - pixel] if index >= pixel else 0
        corner = above[index - pixel] if index >= pixel else 0
        up = above[index]
        row[index] = (row[index] + (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]) & 255
    return row


def _paeth(left, up, corner):
    guess = left + up - corner
    return min((left, up, corner), key=lambda each: abs(guess - each))

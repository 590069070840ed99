"""Clients of the aria2 door for tests: JSON-RPC over HTTP, and a WebSocket that may break the rules."""

import base64
import hashlib
import http.client
import json
import os
import re
import socket
import struct

import pytest

from harness import PATIENCE, Answer, until

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
TOKEN = "a-secret-of-some-length"
NOWHERE = "http://127.0.0.1:1/"
UNKNOWN = "0123456789abcdef"


class Refused(Exception):
    """The answer to a call is an error; `code` and `message` are its."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.code, self.message = error["code"], error["message"]


class Rpc:
    """Calls over HTTP, each on a connection of its own; `token` is put before the parameters."""

    def __init__(self, url, token=None, path="/jsonrpc"):
        self.host, self.token, self.path = re.sub("^http://", "", url), token, path

    def send(self, body, headers=(), method="POST", path=None):
        """Send bytes, or a value as JSON, with no other headers than these; return the Answer."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request(method, self.path if path is None else path, body, dict(headers))
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def request(self, method, *params, identity="x"):
        """Return a call as clients put it, with the token."""
        token = [] if self.token is None else ["token:" + self.token]
        return {"jsonrpc": "2.0", "id": identity, "method": method, "params": token + list(params)}

    def answer(self, method, *params):
        """Return the Answer to a call; "aria2." is put before a name without a dot."""
        return self.send(self.request(method if "." in method else "aria2." + method, *params))

    def __call__(self, method, *params):
        """Return the result of a call. Raise Refused."""
        answer = self.answer(method, *params).json
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]


def url_of(path, method, identity, params):
    """Return the path of a call by GET."""
    encoded = base64.b64encode(json.dumps(params).encode()).decode()
    return f"{path}?method={method}&id={identity}&params={encoded}"


class NoWebSocket(Exception):
    """The handshake failed; the arguments are the status, the headers and the body of the reply."""


class WebSocket:
    """A client of RFC 6455 that sends any frame it is told to. Raise NoWebSocket if the handshake fails."""

    def __init__(self, url, path="/jsonrpc", wrap=None, **headers):
        host, _, port = re.sub("^http://", "", url).partition(":")
        sock = socket.create_connection((host, int(port)), PATIENCE)
        self.sock = wrap(sock) if wrap else sock
        self.key = base64.b64encode(os.urandom(16)).decode()
        fields = {"Host": f"{host}:{port}", "Upgrade": "websocket", "Connection": "Upgrade",
                  "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": self.key}
        fields.update((name.replace("_", "-"), value) for name, value in headers.items())
        lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
        self.sock.sendall("\r\n".join([f"GET {path} HTTP/1.1"] + lines + ["", ""]).encode())
        self._response = http.client.HTTPResponse(self.sock, method="GET")
        self._response.begin()
        self.status, self.headers = self._response.status, dict(
            (name.lower(), value) for name, value in self._response.getheaders())
        if self.status != 101:
            body = self._response.read()
            self.close()
            raise NoWebSocket(self.status, self.headers, body)
        self._reader, self.close_code, self._early = self._response.fp, None, []

    @property
    def accepted(self):
        """Return whether the server knows how to answer the key."""
        guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        wanted = base64.b64encode(hashlib.sha1(self.key.encode() + guid).digest()).decode()
        return self.headers.get("sec-websocket-accept") == wanted

    def send(self, value):
        """Send a value as JSON, or a string as it is."""
        self.put(frame(TEXT, (value if isinstance(value, str) else json.dumps(value)).encode()))

    def put(self, data):
        self.sock.sendall(data)

    def receive(self):
        """Return the next (opcode, payload); (None, b"") at the end of the stream."""
        head = self._reader.read(2)
        if len(head) < 2:
            return None, b""
        assert head[0] & 0x80 and not head[0] & 0x70 and not head[1] & 0x80, head
        size = head[1]
        if size > 125:
            size = int.from_bytes(self._reader.read(2 if size == 126 else 8), "big")
        payload = self._reader.read(size)
        if head[0] & 15 == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
        return head[0] & 15, payload

    def next(self):
        """Return the next text message, parsed; pings are passed over."""
        if self._early:
            return self._early.pop(0)
        while True:
            opcode, payload = self.receive()
            if opcode == TEXT:
                return json.loads(payload)
            assert opcode == PING, (opcode, payload)

    def call(self, request):
        """Return the answer to a request; notifications that come before it are left for `next`."""
        self.send(request)
        early, self._early = self._early, []
        while True:
            message = self.next()
            if "id" in message:
                self._early = early
                return message
            early.append(message)

    def ending(self):
        """Return the code of the server's close frame, None if the stream ends without one."""
        while self.close_code is None:
            if self.receive()[0] is None:
                return None
        return self.close_code

    def close(self):
        self._response.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


def frame(opcode, payload=b"", final=True, mask=b"\x11\x22\x33\x44", reserved=0, width=None):
    """Return a frame of a client; `mask` None leaves the mask out, `width` is bytes of its length."""
    size, has_mask = len(payload), 0x80 if mask is not None else 0
    if width is None:
        width = 0 if size < 126 else 2 if size < 65536 else 8
    length = size if width == 0 else 126 if width == 2 else 127
    head = struct.pack("!BB", (0x80 if final else 0) | reserved | opcode, has_mask | length)
    head += size.to_bytes(width, "big") if width else b""
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def tid_of(url):
    return hashlib.sha1(url.encode()).hexdigest()


def status_of(rpc, gid):
    return rpc("tellStatus", gid)["status"]


def reach(rpc, gid, status):
    until(lambda: status_of(rpc, gid) == status)
    return rpc("tellStatus", gid)


def add_paused(rpc, *names, **options):
    return [rpc("addUri", [NOWHERE + name], dict(options, pause="true")) for name in names]


def message(rpc, method, *params):
    """Return the message of a call that must fail with code 1."""
    with pytest.raises(Refused) as error:
        rpc(method, *params)
    assert error.value.code == 1
    return error.value.message


def uris_of(rpc, gid):
    return [each["uri"].replace(NOWHERE, "") for each in rpc("getUris", gid)]


def error(code, message, identity=None):
    return {"id": identity, "jsonrpc": "2.0", "error": {"code": code, "message": message}}

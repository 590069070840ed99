"""WebSocket frames of a server (RFC 6455): no socket here, bytes in and messages out.

No extensions: a reserved bit is an error (5.2), and permessage-deflate is never agreed to.
"""

import base64
import struct

from ...contract import sha1
from ...errors import Error
from ..http1 import words

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED = 1000, 1001, 1002, 1003
INVALID_DATA, POLICY, TOO_BIG = 1007, 1008, 1009
LONGEST = 2 ** 21               # bytes of a message

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_RESERVED = {1004, 1005, 1006, 1015}    # close codes that no frame may carry (7.4)


class Closing(Error):
    """The connection ends with a close frame of this code."""

    def __init__(self, code, sentence=""):
        super().__init__(sentence)
        self.code = code


def asks_for_websocket(headers):
    """Return whether the headers, {lower name: value}, ask for an upgrade to WebSocket (4.2.1)."""
    return "websocket" in words(headers, "upgrade") and "upgrade" in words(headers, "connection")


def handshake_error(headers):
    """Return (HTTP status, sentence) of what is wrong with the handshake, or None."""
    if headers.get("sec-websocket-version", "").strip() != "13":
        return 426, "only version 13 of the WebSocket protocol is spoken here"
    try:
        key = base64.b64decode(headers.get("sec-websocket-key", "").strip().encode("ascii"), validate=True)
    except ValueError:
        key = b""
    return None if len(key) == 16 else (400, "the Sec-WebSocket-Key is not 16 bytes in base64")


def accept_key(headers):
    """Return the value of Sec-WebSocket-Accept (4.2.2)."""
    key = headers["sec-websocket-key"].strip().encode("ascii")
    return base64.b64encode(sha1(key + _GUID).digest()).decode("ascii")


def frame(opcode, payload):
    """Return one unmasked frame, as a server sends it (5.1)."""
    size, first = len(payload), 0x80 | opcode
    if size < 126:
        return struct.pack("!BB", first, size) + payload
    if size < 2 ** 16:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def close_frame(code, sentence):
    """Return a close frame; its payload has at most 125 bytes (5.5)."""
    reason = sentence.encode("utf-8")[:123].decode("utf-8", "ignore")
    return frame(CLOSE, struct.pack("!H", code) + reason.encode("utf-8"))


def close_code(payload):
    """Return the code of the client's close frame, NORMAL if it has none. Raise Closing."""
    if not payload:
        return NORMAL
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (1000 <= code < 1016 or 3000 <= code < 5000) or code in _RESERVED:
        raise Closing(PROTOCOL_ERROR, f"{code} is not a close code that a client may send")
    text(payload[2:])
    return code


def text(payload):
    """Return the payload as text. Raise Closing if it is not UTF-8 (8.1)."""
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        raise Closing(INVALID_DATA, "the text is not UTF-8") from None


class Frames:
    """Join the frames of one client to messages of at most `longest` bytes."""

    def __init__(self, longest=LONGEST):
        self._longest = longest
        self._buffer = bytearray()
        self._opcode, self._message = None, bytearray()

    @property
    def is_partial(self):
        """Return whether a frame or message has begun and not ended."""
        return bool(self._buffer) or self._opcode is not None

    def feed(self, data):
        """Take bytes; yield (opcode, payload) of TEXT, BINARY, CLOSE, PING and PONG. Raise Closing."""
        self._buffer += data
        for final, opcode, payload in iter(self._take_frame, None):
            if opcode >= CLOSE:
                yield opcode, payload
                continue
            self._opcode = opcode if opcode != CONTINUATION else self._opcode
            self._message += payload
            if final:
                whole = self._opcode, bytes(self._message)
                self._opcode, self._message = None, bytearray()
                yield whole

    def _take_frame(self):
        """Take (final, opcode, payload) from the buffer; None while it is not whole."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        final, opcode = bool(buffer[0] & 0x80), buffer[0] & 0x0f
        self._check_start(buffer[0], buffer[1])
        size, start = _length(buffer)
        if size is None:
            return None
        if opcode < CLOSE and size + len(self._message) > self._longest:
            raise Closing(TOO_BIG, f"a message has at most {self._longest} bytes")
        end = start + 4 + size
        if len(buffer) < end:
            return None
        payload = _unmask(bytes(buffer[start + 4:end]), bytes(buffer[start:start + 4]))
        del buffer[:end]
        return final, opcode, payload

    def _check_start(self, first, second):
        """Raise Closing for two bytes that begin no frame (5.2 to 5.5)."""
        opcode, size = first & 0x0f, second & 0x7f
        if first & 0x70:
            raise Closing(PROTOCOL_ERROR, "a reserved bit is set, but no extension was negotiated")
        if not second & 0x80:
            raise Closing(PROTOCOL_ERROR, "the frames of a client must be masked")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise Closing(PROTOCOL_ERROR, f"there is no opcode {opcode}")
        if opcode >= CLOSE and (size > 125 or not first & 0x80):
            raise Closing(PROTOCOL_ERROR, "a control frame must not be fragmented or longer than 125 bytes")
        if opcode < CLOSE and (opcode == CONTINUATION) != (self._opcode is not None):
            raise Closing(PROTOCOL_ERROR, "the fragments of a message must follow one another")


def _length(buffer):
    """Return (bytes of the payload, where the mask begins), (None, 0) while that is not here (5.2)."""
    size = buffer[1] & 0x7f
    width = {126: 2, 127: 8}.get(size, 0)
    if len(buffer) < 2 + width:
        return None, 0
    if width:
        size = int.from_bytes(buffer[2:2 + width], "big")
        if size < (126 if width == 2 else 2 ** 16) or size >> 63:
            raise Closing(PROTOCOL_ERROR, "the length is not in its shortest form")
    return size, 2 + width


def _unmask(payload, mask):
    """Take the mask off (5.3), as one number, which is fast."""
    size = len(payload)
    whole = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")

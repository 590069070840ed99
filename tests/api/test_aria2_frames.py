"""WebSocket frames, after the sections of RFC 6455; the cases are those of Autobahn's fuzzing client."""

import random

import pytest

from aria2 import CLOSE, PING, PONG, TEXT, frame

from dlserv.api.aria2 import frames
from dlserv.api.aria2.frames import Frames, Closing

BINARY, CONTINUATION = 2, 0
HANDSHAKE = {
    "upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="
}


def read(data, step=None, longest=frames.LONGEST):
    """Return the messages in the bytes, fed `step` at a time."""
    parser, found = Frames(longest), []
    for start in range(0, len(data), step or len(data) or 1):
        found += parser.feed(data[start:start + (step or len(data))])
    return found


# -- 1. framing: every length, on both sides of each bound, whole and byte by byte --------


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536, 65537])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_every_length_is_read(opcode, size):
    payload = random.Random(size).getrandbits(8 * size).to_bytes(size, "big") if size else b""
    assert read(frame(opcode, payload)) == [(opcode, payload)]
    assert read(frame(opcode, payload), step=997) == [(opcode, payload)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127])
def test_frames_may_come_byte_by_byte(size):
    data = frame(TEXT, b"*" * size) + frame(PING, b"p") + frame(TEXT, b"end")
    assert read(data, step=1) == [(TEXT, b"*" * size), (PING, b"p"), (TEXT, b"end")]


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\2\3\4", b"\0\0\0\1"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 130])
def test_any_mask_is_taken_off(mask, size):
    payload = bytes(range(size))
    assert read(frame(TEXT, payload, mask=mask)) == [(TEXT, payload)]


@pytest.mark.parametrize("size, width", [(5, 2), (125, 2), (5, 8), (126, 8), (65535, 8)])
def test_a_length_is_in_its_shortest_form(size, width):
    with pytest.raises(Closing) as error:
        read(frame(TEXT, b"x" * size, width=width))
    assert error.value.code == 1002


def test_a_length_of_64_bits_is_no_length():
    with pytest.raises(Closing) as error:
        read(b"\x81\xff" + b"\xff" * 8 + b"mask")
    assert error.value.code == 1002


# -- 2. pings and pongs -------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"Hello, world!", bytes([0, 255, 254]), b"\xfe" * 125])
def test_pings_keep_their_payload(payload):
    assert read(frame(PING, payload)) == [(PING, payload)]
    assert read(frame(PONG, payload)) == [(PONG, payload)]


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_control_frame_has_at_most_125_bytes(opcode):
    with pytest.raises(Closing) as error:
        read(frame(opcode, b"\xfe" * 126))
    assert error.value.code == 1002


def test_many_pings_are_as_many():
    assert read(b"".join(frame(PING, b"%d" % number) for number in range(10)),
                step=1) == [(PING, b"%d" % number) for number in range(10)]


# -- 3. reserved bits, 4. opcodes, masks ----------------------------------------------------


@pytest.mark.parametrize("bits", [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_a_reserved_bit_is_an_error(opcode, bits):
    with pytest.raises(Closing) as error:
        read(frame(opcode, b"x", reserved=bits))
    assert error.value.code == 1002


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"reserved"])
def test_a_reserved_opcode_is_an_error(opcode, payload):
    with pytest.raises(Closing) as error:
        read(frame(opcode, payload))
    assert error.value.code == 1002


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_a_frame_without_a_mask_is_an_error(opcode):
    with pytest.raises(Closing) as error:
        read(frame(opcode, b"", mask=None))
    assert error.value.code == 1002


# -- 5. fragments ---------------------------------------------------------------------------


@pytest.mark.parametrize("step", [None, 1])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_are_one_message(opcode, step):
    data = frame(opcode, b"frag", final=False) + frame(CONTINUATION, b"", final=False) + frame(
        CONTINUATION, b"ment")
    assert read(data, step=step) == [(opcode, b"fragment")]


@pytest.mark.parametrize("step", [None, 1])
def test_a_ping_may_stand_between_fragments(step):
    data = frame(TEXT, b"a", final=False) + frame(PING, b"?") + frame(CONTINUATION, b"b")
    assert read(data, step=step) == [(PING, b"?"), (TEXT, b"ab")]


@pytest.mark.parametrize("data", [
    frame(PING, b"x", final=False),
    frame(PONG, b"x", final=False),
    frame(CLOSE, b"", final=False),
    frame(CONTINUATION, b"x"),
    frame(CONTINUATION, b"x", final=False),
    frame(TEXT, b"a") + frame(CONTINUATION, b"b"),
    frame(TEXT, b"a", final=False) + frame(TEXT, b"b"),
    frame(TEXT, b"a", final=False) + frame(BINARY, b"b")
])
def test_fragments_out_of_order_are_an_error(data):
    with pytest.raises(Closing) as error:
        read(data)
    assert error.value.code == 1002


def test_what_came_before_an_error_is_still_read():
    found, parser = [], Frames()
    with pytest.raises(Closing):
        for message in parser.feed(frame(TEXT, b"good") + frame(3, b"bad")):
            found.append(message)
    assert found == [(TEXT, b"good")]


# -- 6. text in UTF-8 -------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [
    "κόσμε", "𐀀", "\ufffe\uffff", "\u0000", "𝄞", "\ud7ff\ue000", ""])
def test_text_is_utf_8(payload):
    assert frames.text(payload.encode()) == payload


@pytest.mark.parametrize("payload", [
    b"\x80", b"\xbf", b"\xc0\xaf", b"\xc2", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"
])
def test_what_is_not_utf_8_is_invalid_data(payload):
    with pytest.raises(Closing) as error:
        frames.text(payload)
    assert error.value.code == 1007


# -- 7. close ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 3999, 4000, 4999])
def test_these_are_close_codes(code):
    assert frames.close_code(code.to_bytes(2, "big") + "gründe".encode()) == code


@pytest.mark.parametrize("payload", [b"\x03"] + [
    code.to_bytes(2, "big") for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
])
def test_these_are_none(payload):
    with pytest.raises(Closing) as error:
        frames.close_code(payload)
    assert error.value.code == 1002


def test_a_close_without_a_code_is_normal():
    assert frames.close_code(b"") == 1000


def test_a_reason_that_is_not_utf_8_is_invalid_data():
    with pytest.raises(Closing) as error:
        frames.close_code(b"\x03\xe8\xff")
    assert error.value.code == 1007


@pytest.mark.parametrize("sentence", ["", "x" * 123, "x" * 124, "x" * 122 + "é", "é" * 200])
def test_a_reason_fits_into_a_control_frame(sentence):
    data = frames.close_frame(1002, sentence)
    assert len(data) == 2 + data[1] and data[1] <= 125
    assert sentence.startswith(data[4:].decode())


# -- 9. limits ----------------------------------------------------------------------------------


def test_a_message_of_the_longest_length_is_read():
    assert read(frame(BINARY, b"x" * 1000), longest=1000) == [(BINARY, b"x" * 1000)]


@pytest.mark.parametrize("data", [
    frame(BINARY, b"x" * 1001),
    frame(BINARY, b"x" * 1001)[:4],
    frame(TEXT, b"x" * 600, final=False) + frame(CONTINUATION, b"x" * 401)
])
def test_a_longer_message_is_refused_at_its_head(data):
    with pytest.raises(Closing) as error:
        read(data, longest=1000)
    assert error.value.code == 1009


def test_a_ping_does_not_count_into_the_message():
    data = frame(TEXT, b"x" * 1000, final=False) + frame(PING, b"x" * 100) + frame(CONTINUATION, b"")
    assert read(data, longest=1000) == [(PING, b"x" * 100), (TEXT, b"x" * 1000)]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_our_frames_have_the_shortest_head(size):
    data = frames.frame(TEXT, b"x" * size)
    assert data == frame(TEXT, b"x" * size, mask=None)


def test_noise_is_a_message_or_a_violation():
    chance = random.Random(6455)
    for _ in range(2000):
        data = bytes(chance.choices(range(256), k=chance.randrange(1, 40)))
        try:
            read(data, step=chance.choice([None, 1, 7]))
        except Closing as error:
            assert error.code in (1002, 1009)


# -- the handshake --------------------------------------------------------------------------------


def test_the_key_is_answered_as_the_rfc_does():
    assert frames.accept_key(HANDSHAKE) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("upgrade, connection, asks", [("websocket", "Upgrade", True),
                                                       ("WebSocket", "keep-alive, Upgrade", True),
                                                       ("h2c, websocket", "upgrade", True),
                                                       ("websocket", "keep-alive", False),
                                                       ("websocket", "", False), ("h2c", "Upgrade", False),
                                                       ("websockets", "Upgrade", False)])
def test_both_headers_ask_for_a_websocket(upgrade, connection, asks):
    assert frames.asks_for_websocket({"upgrade": upgrade, "connection": connection}) is asks


@pytest.mark.parametrize("changes, status", [({}, None), ({"sec-websocket-version": "8"}, 426),
                                             ({"sec-websocket-version": ""}, 426),
                                             ({"sec-websocket-version": "13, 8"}, 426),
                                             ({"sec-websocket-key": ""}, 400),
                                             ({"sec-websocket-key": "c2hvcnQ="}, 400),
                                             ({"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZSEh"}, 400),
                                             ({"sec-websocket-key": "!" * 24}, 400),
                                             ({"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==, x"}, 400),
                                             ({"sec-websocket-key": "\xfc" * 24}, 400)])
def test_a_handshake_is_of_version_13_with_a_key_of_16_bytes(changes, status):
    problem = frames.handshake_error(dict(HANDSHAKE, **changes))
    assert (problem and problem[0]) == status

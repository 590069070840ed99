"""Read a small body as a whole, bounded in size and in time."""

import time

from ..errors import Permanent, Temporary

PIECE = 2 ** 16     # bytes read at a time


def read_whole(stream, most, seconds):
    """Return the body's bytes. Raise Permanent if there are more than `most`, Temporary after `seconds`."""
    data, piece = bytearray(), memoryview(bytearray(PIECE))
    deadline = time.monotonic() + seconds
    while True:
        count = stream.read_into(piece)
        if not count:
            return bytes(data)
        data += piece[:count]
        if len(data) > most:
            raise Permanent(f"the server sent more than {most >> 20} MiB")
        if time.monotonic() > deadline:
            raise Temporary(f"the server did not complete its response within {seconds:g} s", word="timeout")

"""A file that is large enough for several connections, and what the tests of these share."""

from harness import noise

MIB = 2 ** 20
DATA = noise(8 * MIB)


def whole(folder, name="a", data=DATA):
    return (folder / name).read_bytes() == data


def a_little(exchange):
    """Answer with less of the range than was asked for."""
    start, _ = exchange.wanted()
    exchange.head("206 Partial Content", {"Content-Length": MIB, "ETag": '"v1"', "Content-Range":
                                          "bytes %d-%d/%d" % (start, start + MIB - 1, len(DATA))})
    exchange.send(DATA[start:start + MIB])


def slow_until(condition, rate=MIB // 2):
    """Answer properly at about this rate, and as fast as it is read once the condition is true."""
    def fault(exchange):
        left, piece = memoryview(exchange.begin()), 2 ** 13
        while left:
            exchange.send(left[:piece])
            left = left[piece:]
            if condition():
                piece = 2 ** 16
            elif left and exchange.origin.closing.wait(piece / rate):
                break
    return fault

"""The loop that moves bytes from a stream into the part file; nothing else."""

BUFFER = 2 ** 20        # bytes: fewer, larger reads and writes cost the least (see make bench)
SMALLEST = 2 ** 14


def copy(stream, part, segments, segment, bucket, stop):
    """Write the stream at the segment's position until the segment or the stream ends.

    Raises what the stream, the part file or a stop raises; whatever was written by then
    is counted in the segment.
    """
    buffer = memoryview(bytearray(_buffer_size(stream.expected)))
    while segment.left > 0:
        wanted = bucket.take(min(len(buffer), segment.left), stop)
        count = stream.read_into(buffer[:wanted])
        if count < wanted:
            bucket.give_back(wanted - count)
        if not count:
            return
        part.write(buffer[:count], segment.position)
        segments.advance(segment, count)


def _buffer_size(expected):
    return BUFFER if expected is None else max(SMALLEST, min(BUFFER, expected))

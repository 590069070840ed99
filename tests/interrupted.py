"""Attempts that broke off, and those that go on from there."""

from dlserv.errors import Temporary
from harness import listing, noise
from servers.origin import drop

DATA = noise(300000)


def broken_off(origin, attempt, after=200000, path="/a.iso", **options):
    """Return (the File, the progress) of an attempt that had `after` bytes when the connection broke."""
    file = origin.put(path, DATA, script=[drop(after)], **options)
    first = attempt(origin.url(path))
    first.fails(Temporary)
    assert first.progress.done == [(0, after)]
    origin.requests.clear()
    origin.sent = 0
    return file, first.progress


def resumed(origin, attempt, folder, progress, expected=DATA):
    """Return the attempt that goes on from the progress; it must end well."""
    second = attempt(origin.url("/a.iso"), kept=progress).run()
    assert (folder / second.finished.name).read_bytes() == expected
    assert listing(folder) == ["a.iso"]
    return second

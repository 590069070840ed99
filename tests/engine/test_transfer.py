"""The two movers: which one is taken, and that both write the same bytes."""

import errno
import os

import pytest

from dlserv.engine import transfer
from harness import noise
from servers.origin import Gate, chunked

DATA = noise(3000000)

splices = pytest.mark.skipif(not hasattr(os, "splice"), reason="this Python has no os.splice")


@pytest.fixture
def spliced(monkeypatch):
    """The counts that os.splice was asked for, and a way to make the kernel refuse."""
    calls, real = [], os.splice

    def splice(source, sink, count, **options):
        calls.append(count)
        if splice.refuse_from is not None and len(calls) >= splice.refuse_from:
            raise OSError(splice.code, "refused")
        return real(source, sink, count, **options)

    splice.refuse_from, splice.code, splice.calls = None, errno.EINVAL, calls
    monkeypatch.setattr(os, "splice", splice)
    return splice


@splices
def test_plain_bytes_do_not_enter_python(origin, attempt, folder, spliced):
    origin.put("/a", DATA)
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == DATA and spliced.calls


@splices
@pytest.mark.parametrize("code", sorted(transfer.REFUSALS))
@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_kernel_that_refuses_is_done_without(origin, attempt, folder, spliced, call, code):
    spliced.refuse_from, spliced.code = call, code
    origin.put("/a", DATA)
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == DATA
    assert len(spliced.calls) == call


@splices
@pytest.mark.parametrize("script", [[chunked([DATA[:5], DATA[5:]])], []])
def test_what_has_no_length_or_is_small_is_copied(origin, attempt, folder, spliced, script):
    origin.put("/a", DATA if script else DATA[:1000], script=script)
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == (DATA if script else DATA[:1000]) and not spliced.calls


def test_without_splice_it_works_as_well(origin, attempt, folder, monkeypatch):
    monkeypatch.delattr(os, "splice", raising=False)
    origin.put("/a", DATA)
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == DATA


def test_without_pwrite_it_works_as_well(origin, attempt, folder, monkeypatch):
    from dlserv.engine import partfile
    monkeypatch.delattr(os, "splice", raising=False)
    monkeypatch.setattr(partfile, "_HAS_PWRITE", False)
    origin.put("/a", DATA)
    attempt(origin.url("/a"), connections=4).run()
    assert (folder / "a").read_bytes() == DATA


def test_a_limit_is_heeded_by_both(origin, attempt, folder):
    gate = Gate(after=10)
    origin.put("/a", DATA, script=[gate])
    gate.open()
    attempt(origin.url("/a"), ratelimit=20 * 2 ** 20).run()
    assert (folder / "a").read_bytes() == DATA

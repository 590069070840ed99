"""An FTP file ends with its data connection, and with the server's confirmation."""

import pytest

from dlserv.errors import Temporary, TransferError
from harness import noise
from net.test_tls import CA, context
from several import MIB, slow_until
from servers.ftpd import Ftpd

DATA = noise(300000)
FILES = {"pub/a.iso": DATA, "/etc/motd": b"absolute"}


LARGE = noise(5 * 2 ** 20)


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("told", [0, 1, 2, 1000, 2 ** 20, 4 * 2 ** 20, len(LARGE) - 1])
def test_a_size_that_is_too_small_cuts_nothing(attempt, folder, told, connections):
    with Ftpd({"big": LARGE}) as ftpd:
        ftpd.sizes["big"] = told
        done = attempt(ftpd.url("/big"), connections=connections).run()
    assert (folder / "big").read_bytes() == LARGE and done.finished.identity.size == len(LARGE)
    assert len(done.notes) == bool(told) and done.finished.resource.total in (None, len(LARGE))


@pytest.mark.parametrize("told", [len(DATA) + 1, 2 * len(DATA)])
def test_a_size_that_is_too_large_is_no_end(attempt, folder, told):
    with Ftpd(FILES) as ftpd:
        ftpd.sizes["pub/a.iso"] = told
        assert "closed after" in attempt(ftpd.url("/pub/a.iso")).fails(Temporary)
    assert not (folder / "a.iso").exists()


@pytest.mark.parametrize("told", [1000, 200000])
def test_a_cut_behind_the_size_is_no_end(attempt, folder, told):
    """Nor is what came taken for the whole by the next attempt."""
    with Ftpd(FILES) as ftpd:
        ftpd.sizes["pub/a.iso"], ftpd.cut = told, 250000
        first = attempt(ftpd.url("/pub/a.iso"))
        assert "426" in first.fails(Temporary)
        attempt(ftpd.url("/pub/a.iso"), kept=first.progress).run()
    assert (folder / "a.iso").read_bytes() == DATA


@pytest.mark.parametrize("told", [1000, len(DATA)])
def test_a_cut_at_the_size_is_no_end(attempt, folder, told):
    with Ftpd(FILES) as ftpd:
        ftpd.sizes["pub/a.iso"], ftpd.cut = told, told
        first = attempt(ftpd.url("/pub/a.iso"))
        assert "426" in first.fails(Temporary)
        assert sum(end - start for start, end in first.progress.done) < told
        attempt(ftpd.url("/pub/a.iso"), kept=first.progress).run()
    assert (folder / "a.iso").read_bytes() == DATA


@pytest.mark.parametrize("end", ["426 broken", "451 a bad sector", "550 gone", "350 what", "421 going down"])
def test_the_server_has_the_last_word(attempt, folder, end):
    with Ftpd(FILES) as ftpd:
        ftpd.replies["end"] = end
        assert end[:3] in attempt(ftpd.url("/pub/a.iso")).fails(TransferError)
    assert not (folder / "a.iso").exists()


def test_a_file_of_the_told_size_needs_no_last_word(attempt, folder):
    """A router drops the control connection that was idle meanwhile."""
    with Ftpd(FILES) as ftpd:
        ftpd.replies["end"] = ""
        attempt(ftpd.url("/pub/a.iso")).run()
        assert (folder / "a.iso").read_bytes() == DATA
        ftpd.without.add("SIZE")
        assert "closed" in attempt(ftpd.url("//etc/motd")).fails(Temporary)


@pytest.mark.parametrize("polite, end, told, works", [
    (False, "226 done", len(DATA), True), (False, "", len(DATA), False), (True, "", len(DATA), True),
    (True, "226 done", 1000, True), (False, "226 done", 1000, False)])
def test_an_end_of_tls_without_a_word_needs_the_last_word(attempt, folder, polite, end, told, works):
    with Ftpd(FILES, context=context()) as ftpd:
        ftpd.sizes["pub/a.iso"], ftpd.polite, ftpd.replies["end"] = told, polite, end
        running = attempt(ftpd.url("/pub/a.iso"), settings={"ca_file": CA})
        if works:
            running.run()
            assert (folder / "a.iso").read_bytes() == DATA
        else:
            assert "TLS" in running.fails(Temporary)


def test_a_mirror_that_has_more_is_not_the_file(attempt, folder, origin):
    with Ftpd({"big": LARGE + b"more"}) as ftpd:
        origin.put("/big", LARGE, script=[slow_until(lambda: ftpd.sent > MIB or running.notes)] * 30)
        ftpd.sizes["big"] = len(LARGE)
        running = attempt(origin.url("/big"), mirrors=[ftpd.url("/big")], connections=4)
        running.run()
    assert (folder / "big").read_bytes() == LARGE

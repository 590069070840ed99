"""FTP's commands and replies: every shape, bounded and linear in time."""

import itertools
from contextlib import suppress

import pytest

from dlserv.errors import Permanent, Temporary, TransferError
from dlserv.net.ftp_control import LONGEST_REPLY
from cost import is_cheap
from harness import noise
from net.test_tls import CA, context
from servers.ftpd import Ftpd

DATA = noise(300000)
FILES = {"pub/a.iso": DATA}


def test_a_line_end_in_a_path_is_refused(attempt):
    with Ftpd(FILES) as ftpd:
        assert "cannot be sent" in attempt(ftpd.url("/a%0d%0aDELE%20b")).fails(Permanent)
        assert not [line for line in ftpd.commands if "DELE" in line]


def answered(attempt, ftpd, command, reply):
    """Return an attempt at a server that says this to the command, whether it ended well or not."""
    ftpd.replies[command] = reply
    running = attempt(ftpd.url("/pub/a.iso"))
    with suppress(TransferError):
        running.run()
    return running


@pytest.mark.parametrize("command, reply", [
    ("EPSV", "229 (|||abc|)"), ("PASV", "227 nonsense"), ("PASV", "200 what")])
def test_a_passive_reply_that_makes_no_sense_is_got_over(attempt, folder, command, reply):
    with Ftpd(FILES, without=["EPSV"] if command == "PASV" else []) as ftpd:
        ftpd.replies[command] = reply
        if command == "EPSV":
            attempt(ftpd.url("/pub/a.iso")).run()
        else:
            assert reply in attempt(ftpd.url("/pub/a.iso")).fails(Temporary)


@pytest.mark.parametrize("line", ["331-" + "x" * 8000, "150 wait"])
def test_a_reply_without_end_is_given_up(attempt, line):
    with Ftpd(FILES) as ftpd:
        ftpd.replies["USER"] = itertools.repeat(line)
        assert "not end" in attempt(ftpd.url("/pub/a.iso")).fails(Permanent)


@pytest.mark.parametrize("size, fits", [(LONGEST_REPLY, True), (LONGEST_REPLY + 1, False)])
def test_a_reply_has_a_bound(attempt, folder, size, fits):
    with Ftpd(FILES) as ftpd:
        ftpd.replies[""] = "220-" + "x" * (size - 14) + "\r\n220 go"
        running = attempt(ftpd.url("/pub/a.iso"))
        running.run() if fits else running.fails(Permanent)
    assert (folder / "a.iso").exists() == fits


WORST = ["1", "1,", "1,1,1,1,1,", "111,111,111,111,111,", "(", "(|||", "(|||1", "|", " ", " \n ", "\n", "\n227 ",
         "\n227-", "-\n229-", "()", "\t\n", "\u00e9", "150 x (1 bytes", "1 bytes) ("]


@pytest.mark.parametrize("piece", WORST)
@pytest.mark.parametrize("command, code", [("", 220), ("USER", 530), ("SIZE", 213), ("MDTM", 213), ("EPSV", 229),
                                           ("PASV", 227), ("RETR", 550)])
def test_64_kib_of_the_worst_reply_cost_nothing(attempt, piece, command, code):
    text = (piece * 2 ** 16)[:2 ** 16 - 300].replace("\n%d " % code, "\n%d-" % code)
    with Ftpd(FILES, without=["EPSV"] if command == "PASV" else []) as ftpd:
        assert is_cheap(lambda text: answered(attempt, ftpd, command, "%d-%s\r\n%d end" % (code, text, code)),
                        text)


@pytest.mark.parametrize("count, works", [(99, True), (100, False), (6000, False)])
def test_preliminary_replies_are_skipped_up_to_a_bound(attempt, count, works):
    waits = "120 wait\r\n" * count
    with Ftpd(FILES) as ftpd:
        assert hasattr(answered(attempt, ftpd, "", waits + "220 go"), "finished") == works
        assert is_cheap(lambda waits: answered(attempt, ftpd, "", waits + "220 go"), waits)


@pytest.mark.parametrize("reply", ["nonsense", "22", "2200 x", "999 x", "\u0662\u0662\u0660 x", ""])
def test_what_is_no_reply_is_no_ftp(attempt, reply):
    with Ftpd(FILES) as ftpd:
        ftpd.replies[""] = reply
        assert "does not speak FTP" in attempt(ftpd.url("/pub/a.iso")).fails(Temporary)


@pytest.mark.parametrize("reply", ["220", "220-a\r\nb\r\n 220 c\r\n2200 d\r\n220-e\r\n220 f", "220-\n220",
                                   "120 in a moment\r\n220 ready", "220-a\n220 b"])
def test_replies_of_every_shape_are_read(attempt, folder, reply):
    with Ftpd(FILES) as ftpd:
        ftpd.replies[""] = reply
        attempt(ftpd.url("/pub/a.iso")).run()
    assert (folder / "a.iso").read_bytes() == DATA


def test_a_server_that_hangs_up_says_so(attempt):
    with Ftpd(FILES) as ftpd:
        ftpd.replies["SIZE"] = ""
        assert "closed the connection" in attempt(ftpd.url("/pub/a.iso")).fails(Temporary)


def test_what_came_before_tls_is_not_believed(attempt):
    with Ftpd(FILES, context=context()) as ftpd:
        ftpd.early = "331 a man in the middle"
        running = attempt(ftpd.url("/pub/a.iso"), settings={"ca_file": CA}).run()
        assert running.finished.name == "a.iso" and "PASS anonymous@" in ftpd.commands


@pytest.mark.parametrize("reply", ["229 (|||0|)", "229 (|||65536|)", "229 (|||99999|)", "229 |||1|", "229 (||1|)",
                                   "200 (|||1|)", "425 no", "522 what"])
def test_an_extended_reply_without_a_port_leads_to_pasv(attempt, folder, reply):
    with Ftpd(FILES) as ftpd:
        ftpd.replies["EPSV"] = reply
        attempt(ftpd.url("/pub/a.iso")).run()
    assert (folder / "a.iso").read_bytes() == DATA


@pytest.mark.parametrize("reply", ["227 (1,2,3,4,0,0)", "227 (1,2,3,4,256,1)", "227 (1,2,3,4,5)", "227 1,2,3,4,1,256",
                                   "200 (1,2,3,4,5,6)"])
def test_a_passive_reply_without_a_port_is_told(attempt, reply):
    with Ftpd(FILES, without=["EPSV"]) as ftpd:
        ftpd.replies["PASV"] = reply
        assert reply in attempt(ftpd.url("/pub/a.iso")).fails(Temporary)

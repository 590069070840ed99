"""FTP and FTPS, on the same promises as HTTP."""

import pytest

from net.test_tls import CA, context
from harness import noise
from servers.ftpd import Ftpd, _Control
from dlserv.errors import Permanent, Temporary

DATA = noise(300000)
FILES = {"pub/a.iso": DATA, "/etc/motd": b"absolute", "ä b": b"umlaut", "empty": b""}


def test_a_file_comes_whole_with_its_date(attempt, folder):
    with Ftpd(FILES) as ftpd:
        attempt(ftpd.url("/pub/a.iso")).run()
        assert (folder / "a.iso").read_bytes() == DATA
        assert (folder / "a.iso").stat().st_mtime == 1704067200
        assert "USER anonymous" in ftpd.commands and "TYPE I" in ftpd.commands


@pytest.mark.parametrize("path, name, data", [
    ("//etc/motd", "motd", b"absolute"), ("/%C3%A4%20b", "ä b", b"umlaut"), ("/empty", "empty", b""),
    ("/pub/a.iso;type=i", "a.iso;type=i", DATA)])
def test_paths_are_relative_to_the_login_and_decoded(attempt, folder, path, name, data):
    with Ftpd(FILES) as ftpd:
        assert attempt(ftpd.url(path)).run().finished.name == name
        assert (folder / name).read_bytes() == data


def test_a_transfer_that_is_cut_is_resumed(attempt, folder):
    with Ftpd(FILES) as ftpd:
        ftpd.cut = 200000
        first = attempt(ftpd.url("/pub/a.iso"))
        assert "closed after" in first.fails(Temporary)
        ftpd.commands.clear()
        ftpd.sent = 0
        done = attempt(ftpd.url("/pub/a.iso"), kept=first.progress).run()
        assert (folder / "a.iso").read_bytes() == DATA and done.notes == []
        assert "REST %d" % (200000 - 2 ** 14) in ftpd.commands and ftpd.sent < 120000


def test_a_file_that_changed_is_fetched_anew(attempt, folder):
    files = dict(FILES)
    with Ftpd(files) as ftpd:
        ftpd.cut = 200000
        first = attempt(ftpd.url("/pub/a.iso"))
        first.fails(Temporary)
        files["pub/a.iso"], ftpd.modified = noise(300000, seed=2), "20240202000000"
        done = attempt(ftpd.url("/pub/a.iso"), kept=first.progress).run()
        assert (folder / "a.iso").read_bytes() == files["pub/a.iso"]
        assert "has changed" in done.notes[0]


@pytest.mark.parametrize("without", ["EPSV", "SIZE", "MDTM", "REST"])
def test_old_servers_are_got_on_with(attempt, folder, without):
    with Ftpd(FILES, without=[without]) as ftpd:
        attempt(ftpd.url("/pub/a.iso")).run()
        assert (folder / "a.iso").read_bytes() == DATA


def test_without_a_size_the_servers_word_decides(attempt):
    with Ftpd(FILES, without=["SIZE"]) as ftpd:
        ftpd.cut = 1000
        assert "426" in attempt(ftpd.url("/pub/a.iso")).fails(Temporary)


def test_errors_are_the_servers_words(attempt):
    with Ftpd(FILES, users={"me": "pw"}) as ftpd:
        assert attempt(ftpd.url("/x", user="me:pw")).fails(Permanent) == "the server answered 550 No such file."
        assert attempt(ftpd.url("/pub/a.iso")).fails(Permanent) == "the server answered 530 Login incorrect."
        attempt(ftpd.url("/pub/a.iso"), user="me", password="pw").run()


def test_a_line_end_in_a_path_is_refused(attempt):
    with Ftpd(FILES) as ftpd:
        assert "cannot be sent" in attempt(ftpd.url("/a%0d%0aDELE%20b")).fails(Permanent)
        assert not [line for line in ftpd.commands if "DELE" in line]


@pytest.mark.parametrize("connections", [1, 4])
def test_several_connections_fetch_one_file(attempt, folder, connections):
    data = noise(5 * 2 ** 20)
    with Ftpd({"big": data}) as ftpd:
        attempt(ftpd.url("/big"), connections=connections).run()
    assert (folder / "big").read_bytes() == data


def test_the_data_connection_goes_where_the_control_connection_does(attempt, folder):
    """A name may have several addresses, and an exception from deny_private a port."""
    with Ftpd(FILES) as ftpd:
        exception = "127.0.0.1:%d" % ftpd.server_address[1]
        attempt(ftpd.url("/pub/a.iso"), settings={"deny_private": True, "allow_hosts": [exception]}).run()
    assert (folder / "a.iso").read_bytes() == DATA


def test_ftps_is_encrypted_on_both_connections(attempt, folder):
    with Ftpd(FILES, context=context()) as ftpd:
        attempt(ftpd.url("/pub/a.iso"), settings={"ca_file": CA}).run()
        assert {"AUTH TLS", "PBSZ 0", "PROT P"} <= set(ftpd.commands)
        assert "certificate verify failed" in attempt(ftpd.url("/pub/a.iso")).fails(Permanent)
    assert (folder / "a.iso").read_bytes() == DATA


def test_the_data_connection_goes_on_with_the_session(attempt, folder):
    """Most FTPS servers insist on it, so that nobody else can fetch the data."""
    with Ftpd(FILES, context=context()) as ftpd:
        attempt(ftpd.url("/pub/a.iso"), settings={"ca_file": CA}).run()
        assert ftpd.reused == [True]
    assert (folder / "a.iso").read_bytes() == DATA


def test_a_path_need_not_be_utf_8(attempt, folder):
    with Ftpd({"caf\udce9": DATA}) as ftpd:
        attempt(ftpd.url("/caf%E9")).run()
        assert len(list(folder.iterdir())) == 1


def test_a_date_that_is_none_is_no_date(attempt, folder):
    with Ftpd(FILES) as ftpd:
        ftpd.modified = "19100010112000"    # what some servers called the year 2000
        assert attempt(ftpd.url("/pub/a.iso")).run().finished.resource.last_modified is None
    assert (folder / "a.iso").read_bytes() == DATA


@pytest.mark.parametrize("command, reply", [
    ("EPSV", "229 (|||abc|)"), ("PASV", "227 nonsense"), ("PASV", "200 what")])
def test_a_passive_reply_that_makes_no_sense_is_got_over(attempt, folder, monkeypatch, command, reply):
    monkeypatch.setattr(_Control, "do_" + command, lambda control, argument: control.reply(reply))
    with Ftpd(FILES, without=["EPSV"] if command == "PASV" else []) as ftpd:
        if command == "EPSV":
            attempt(ftpd.url("/pub/a.iso")).run()
        else:
            assert reply in attempt(ftpd.url("/pub/a.iso")).fails(Temporary)


def test_a_reply_without_end_is_given_up(attempt, monkeypatch):
    def flood(control, argument):
        while True:
            control.reply("331-" + "x" * 8000)

    monkeypatch.setattr(_Control, "do_USER", flood)
    with Ftpd(FILES) as ftpd:
        assert "without end" in attempt(ftpd.url("/pub/a.iso")).fails(Permanent)

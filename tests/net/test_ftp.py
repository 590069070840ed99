"""FTP and FTPS, on the same promises as HTTP."""

import pytest

from dlserv import Daemon
from dlserv import urls
from dlserv.errors import Permanent, Temporary
from dlserv.net.host_limits import HostFull
from harness import noise
from net.test_tls import CA, context
from servers.ftpd import Ftpd
from servers.proxies import HttpProxy

DATA = noise(300000)
LARGE = noise(5 * 2 ** 20)
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
        assert (attempt(ftpd.url("/x", user="me:pw")).fails(Permanent)
                == "RETR x: the server answered 550 No such file.")
        assert attempt(ftpd.url("/pub/a.iso")).fails(Permanent) == "the server answered 530 Login incorrect."
        attempt(ftpd.url("/pub/a.iso"), user="me", password="pw").run()


@pytest.mark.parametrize("connections", [1, 4])
def test_several_connections_fetch_one_file(attempt, folder, connections):
    data = noise(5 * 2 ** 20)
    with Ftpd({"big": data}) as ftpd:
        attempt(ftpd.url("/big"), connections=connections).run()
    assert (folder / "big").read_bytes() == data


def test_data_goes_where_the_control_connection_goes(attempt, folder):
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


# -- what the server says ------------------------------------------------------------------

@pytest.mark.parametrize("code", [501, 550, 553])
@pytest.mark.parametrize("path", ["pub/x", "caf\u00e9"])
def test_a_refusal_says_what_was_asked(attempt, code, path):
    with Ftpd(FILES) as ftpd:
        ftpd.replies["RETR"] = "%d-Cannot\r\n%d do it" % (code, code)
        assert (attempt(ftpd.url("/" + path)).fails(Permanent)
                == "RETR %s: the server answered %d Cannot do it" % (path, code))


@pytest.mark.parametrize("path, asked", [("/", 0), ("", 0), ("//", 0), ("/;type=d", 0), ("/pub", 1), ("/pub/", 1),
                                         ("/pub;type=d", 1)])
def test_a_folder_is_called_one(attempt, path, asked):
    with Ftpd(FILES) as ftpd:
        ftpd.folders = {"pub", "pub/"}
        assert "folder" in attempt(ftpd.url(path)).fails(Permanent)
        assert len([line for line in ftpd.commands if line.startswith("CWD")]) == asked


# -- manners -------------------------------------------------------------------------------

FULL = ["421 Too many users.", "421 Service not available.", "530 Sorry, the maximum number of clients (1) is reached.",
        "530 There are too many connections from your address.", "530 No more users, please.",
        "530-Sorry\r\n530-We have 20 users\r\n530 Come back later.", "500 too many sessions",
        "530 Only 1 of your logins at a time", "530 The user is already logged in"]


@pytest.mark.parametrize("reply", FULL)
@pytest.mark.parametrize("command", ["", "USER", "PASS"])
def test_a_server_that_is_full_is_waited_for(attempt, reply, command):
    with Ftpd(FILES) as ftpd:
        ftpd.replies[command] = reply
        running = attempt(ftpd.url("/pub/a.iso"))
        assert reply[:3] in running.fails(HostFull)
        assert running.network.hosts.limit(urls.parse(ftpd.url("/")).endpoint) == 1


@pytest.mark.parametrize("reply", [
    "530 Login incorrect.", "530 User cannot log in.", "530 User anonymous unknown.", "530 Please use TLS connections.",
    "530 Non-anonymous sessions must use encryption.", "530 Anonymous users are not welcome.", "532 Need account",
    "530 Connections from your network are not allowed."])
def test_a_login_that_is_refused_for_good_is(attempt, reply):
    with Ftpd(FILES) as ftpd:
        ftpd.replies["PASS"] = reply
        running = attempt(ftpd.url("/pub/a.iso"))
        assert reply in running.fails(Permanent)
        assert running.network.hosts.limit(urls.parse(ftpd.url("/")).endpoint) == 8


def test_further_connections_stay_within_what_the_server_admits(attempt, folder):
    with Ftpd({"big": LARGE}) as ftpd:
        ftpd.logins = 2
        done = attempt(ftpd.url("/big"), connections=8).run()
        assert ftpd.most_logins <= 2 and done.notes == []
    assert (folder / "big").read_bytes() == LARGE


@pytest.mark.parametrize("without", [[], ["SIZE", "MDTM", "REST"]])
def test_four_tasks_share_a_server_that_admits_one(settings, folder, without):
    """That the others of them are there already counts as no failure."""
    files = {"%d" % number: noise(200000, number) for number in range(4)}
    settings["download"].update(retry_wait=0.1, retries=0)
    with Ftpd(files, without=without) as ftpd, Daemon(settings) as daemon:
        ftpd.logins = 1
        tids = [daemon.add(ftpd.url("/" + name)) for name in files]
        assert [daemon.wait(tid, 30).state for tid in tids] == ["finished"] * 4
        assert ftpd.most_logins == 1 and sum(line.startswith("USER") for line in ftpd.commands) < 20
    for name, data in files.items():
        assert (folder / name).read_bytes() == data


def test_a_server_may_notice_late_that_a_client_has_gone(settings, folder):
    """The next task is refused meanwhile, which counts as no failure."""
    settings["download"].update(retry_wait=0.1, retries=0)
    with Ftpd({"a": b"one", "b": b"other"}) as ftpd, Daemon(settings) as daemon:
        ftpd.logins, ftpd.lag = 1, 0.5
        for name in "ab":
            assert daemon.wait(daemon.add(ftpd.url("/" + name)), 30).state == "finished"
        assert sum(line.startswith("USER") for line in ftpd.commands) > 2
    assert (folder / "b").read_bytes() == b"other"


def test_a_client_that_has_gone_excuses_no_later_failure(settings, folder):
    """The server lets the next one in, and does not send the file."""
    settings["download"].update(retry_wait=0.1, retries=0)
    with Ftpd({"a": b"one", "b": b"other"}) as ftpd, Daemon(settings) as daemon:
        assert daemon.wait(daemon.add(ftpd.url("/a")), 30).state == "finished"
        ftpd.replies["RETR"] = "421 No transfer now."
        assert daemon.wait(daemon.add(ftpd.url("/b")), 30).state == "invalid"
        assert sum(line.startswith("RETR") for line in ftpd.commands) == 2


@pytest.mark.parametrize("closed, without, works", [
    ({"EPSV"}, [], True), ({"PASV"}, ["EPSV"], False), ({"EPSV", "PASV"}, [], False), ({"EPSV"}, ["PASV"], False)])
def test_where_epsv_leads_nowhere_pasv_is_asked(attempt, folder, closed, without, works):
    with Ftpd(FILES, without=without) as ftpd:
        ftpd.closed = closed
        running = attempt(ftpd.url("/pub/a.iso"))
        if works:
            running.run()
            assert (folder / "a.iso").read_bytes() == DATA
        else:
            assert "refused" in running.fails(Temporary)


@pytest.mark.parametrize("path, asked", [
    ("/a.txt", "/a.txt;type=i"), ("/a.txt;type=a", "/a.txt;type=a"), ("/a;TYPE=I", "/a;TYPE=I"),
    ("/a?b", "/a?b;type=i"), ("/a;type=x", "/a;type=x;type=i")])
def test_an_http_proxy_is_asked_for_the_bytes(attempt, path, asked):
    with HttpProxy(stand_in=b"bytes") as proxy:
        attempt("ftp://example.org" + path, proxy=proxy.url()).run()
        assert proxy.seen == ["GET ftp://example.org%s HTTP/1.1" % asked]

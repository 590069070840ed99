"""The formats in which FTP servers list a folder, and sessions that list many."""

import pytest

from net.test_tls import CA, context
from servers.ftpd import Ftpd

from dlserv import urls
from dlserv.errors import Permanent, Temporary, reason_of
from dlserv.net import ftp_listing
from dlserv.net.channel import Signal
from dlserv.net.ftp_listing import Entry, read_list, read_mlsd, read_nlst

FILE, FOLDER, UNKNOWN = False, True, None


@pytest.mark.parametrize("line, entry", [
    (b"Type=file;Size=7;Modify=20240101000000; a b.iso", Entry(b"a b.iso", FILE)),
    (b"type=DIR; sub", Entry(b"sub", FOLDER)), (b"type=OS.unix=slink:/x; l", Entry(b"l", UNKNOWN)),
    (b"size=7;  leading blank", Entry(b" leading blank", UNKNOWN)), (b" no facts", Entry(b"no facts", UNKNOWN)),
    (b"type=file; a;b= c", Entry(b"a;b= c", FILE)), (b"type=file; \xff\xfe", Entry(b"\xff\xfe", FILE)),
    (b"type=cdir; /pub", None), (b"type=pdir; ..", None), (b"type=file; ../x", None), (b"type=file; a/b", None),
    (b"type=dir; ..", None), (b"type=file; a\0b", None)])
def test_mlsd(line, entry):
    assert read_mlsd(b"type=file; first\r\n" + line + b"\r\n") == [Entry(b"first", FILE)] + [entry] * bool(entry)


def test_mlsd_that_is_none_is_not_read():
    assert read_mlsd(b"drwxr-xr-x\r\n") is None and read_mlsd(b"") == []


@pytest.mark.parametrize("line, entry", [
    (b"-rw-r--r--   1 root  wheel    1234 Jan 01 12:00 a b.iso", Entry(b"a b.iso", FILE)),
    (b"drwxr-xr-x+  2 1000  1000       96 Dec 31  2023 sub", Entry(b"sub", FOLDER)),
    (b"lrwxrwxrwx   1 root  root        7 Feb  3  2024 link -> ../x -> y", Entry(b"link", UNKNOWN)),
    (b"-rw-r--r--   1 ftp         1234 Jan  1 12:00 nogroup", Entry(b"nogroup", FILE)),
    (b"-rw-r--r--   1 a b 1234 2024-01-31 12:00  two blanks", Entry(b" two blanks", FILE)),
    (b"drwxrwsr-t   3 a b 4096 Sep 12 9:05 d 2024 x", Entry(b"d 2024 x", FOLDER)),
    (b"01-31-24  11:59PM       <DIR>          Program Files", Entry(b"Program Files", FOLDER)),
    (b"01-31-2024  01:02               1234 a.iso", Entry(b"a.iso", FILE)),
    (b"total 12", None), (b"brw-rw----   1 root disk 8, 0 Jan 01 12:00 sda", None),
    (b"drwxr-xr-x   2 a b 96 Dec 31  2023 ..", None), (b"-rw-r--r--   1 a b 7 Dec 31  2023 ../x", None)])
def test_list(line, entry):
    data = b"-rw-r--r-- 1 a b 7 Jan 01 12:00 first\r\n" + line + b"\r\n"
    assert read_list(data) == [Entry(b"first", FILE)] + [entry] * bool(entry)


@pytest.mark.parametrize("line", [b"a.iso", b"+i8388621.48594,m825718503,r,s280,\tdjb.html", b"ls: no such file"])
def test_list_in_another_format_is_not_read(line):
    assert read_list(b"total 3\r\n" + line) is None


def test_nlst():
    assert read_nlst(b"a.iso\r\n/pub/b\r\n./c d\r\n..\r\n.\r\n\r\n") == [
        Entry(b"a.iso", UNKNOWN), Entry(b"b", UNKNOWN), Entry(b"c d", UNKNOWN)]


def test_hostile_lines_cost_linear_time():
    for line in (b"-rw-r--r-- 1 " + b"a " * 200000, b"drwxr-xr-x 1 a b 1 Jan 01 " + b"1" * 400000, b" " * 500000):
        assert read_list(line) is None
    assert read_mlsd(b";" * 500000) is None


# -- sessions ----------------------------------------------------------------------------------

FILES = {"pub/a.iso": b"a", "pub/s/b.iso": b"b", "ä/c": b"c"}
ENTRIES = {Entry(b"a.iso", FILE), Entry(b"s", FOLDER)}


@pytest.fixture
def entries(attempt):
    """A function that lists a folder; it keeps its session."""
    made, clients = [], {}

    def entries(server, path, **options):
        if server not in clients:
            made.append(attempt(server.url("/x"), **options))
            clients[server] = ftp_listing.Client(made[-1].options, made[-1].network, Signal())
        url = urls.parse(server.url(path))
        return clients[server].entries(url, url.origin)

    yield entries
    for client in clients.values():
        client.close()
    for each in made:
        each.download.close()


@pytest.mark.parametrize("without", [(), ("MLSD",), ("MLSD", "LIST"), ("EPSV", "MLSD"), ("MLSD", "LIST", "PWD")])
def test_a_folder_is_listed_by_what_the_server_knows(entries, without):
    with Ftpd(FILES, without=without) as server:
        found = set(entries(server, "/pub/"))
        assert found == ENTRIES or "PWD" in without and {each.name for each in found} == {b"a.iso", b"s"}
        assert set(entries(server, "/pub")) == found
        assert set(entries(server, "//pub")) == found
        assert entries(server, "/%C3%A4/") == [Entry(b"c", FILE)]
        assert {each.name for each in entries(server, "/")} == {b"pub", "ä".encode()}


def test_one_session_lists_many_folders(entries):
    with Ftpd(FILES) as server:
        for _ in range(20):
            assert set(entries(server, "/pub/")) == ENTRIES
        assert server.most_logins == 1 and sum(line.startswith("USER") for line in server.commands) == 1


def test_a_session_that_broke_is_begun_again(entries):
    with Ftpd(FILES) as server:
        server.replies["MLSD"] = ""
        with pytest.raises(Temporary):
            entries(server, "/pub/")
        del server.replies["MLSD"]
        assert set(entries(server, "/pub/")) == ENTRIES


@pytest.mark.parametrize("polite", [False, True])
def test_a_folder_is_listed_over_tls(entries, polite):
    with Ftpd(FILES, context=context()) as server:
        server.polite = polite
        assert set(entries(server, "/pub/", settings={"ca_file": CA})) == ENTRIES
        assert set(entries(server, "/pub/")) == ENTRIES


def test_a_list_in_an_odd_format_leads_to_nlst(entries):
    with Ftpd(FILES, without=["MLSD"]) as server:
        server.listings["LIST"] = b"+i8388621.48594,m825718503,r,s280,\ta.iso\r\n"
        assert set(entries(server, "/pub/")) == ENTRIES


@pytest.mark.parametrize("command, reply", [("LIST", "550 No files found"), ("NLST", "450 No files")])
def test_an_empty_folder_is_empty(entries, command, reply):
    with Ftpd(FILES, without=["MLSD"] + ["LIST"] * (command == "NLST")) as server:
        server.replies[command] = reply
        assert entries(server, "/pub/") == []


def test_a_listing_that_is_too_large_is_refused(entries):
    with Ftpd(FILES) as server:
        server.listings["MLSD"] = b"type=file; x\r\n" * 1300000
        with pytest.raises(Permanent, match="more than 16 MiB"):
            entries(server, "/pub/")


@pytest.mark.parametrize("tls", [None, context()])
def test_a_listing_that_the_server_does_not_confirm_fails(entries, tls):
    with Ftpd(FILES, context=tls) as server:
        server.replies["end"] = "426 the line broke"
        with pytest.raises(Temporary, match="426"):
            entries(server, "/pub/", settings={"ca_file": CA})


def test_a_folder_that_is_not_there_is_told(entries):
    with Ftpd(FILES) as server:
        with pytest.raises(Permanent, match="CWD /none: the server answered 550") as caught:
            entries(server, "/none/")
        assert reason_of(caught.value) == "not_found"
        with pytest.raises(Permanent, match="line end"):
            entries(server, "/a%0Db/")

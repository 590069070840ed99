"""add -r: directory listings of real servers, well-behaved and hostile, as tasks of a real daemon."""

import base64
import os
import ssl

import pytest

from harness import until
from listings import HTML, listed
from servers.ftpd import Ftpd
from servers.origin import Origin, redirect, refuse

from dlserv.contract import tid_of


# -- what becomes a task ---------------------------------------------------------------------

def test_files_below_become_tasks_in_their_folders(here, run, origin, shelf):
    shelf("/pub/", "../", "a.iso", "sub/")
    shelf("/pub/sub/", "../", "b.iso", "deep%20er/")
    shelf("/pub/sub/deep%20er/", "c.iso")
    for name in ("/pub/a.iso", "/pub/sub/b.iso", "/pub/sub/deep%20er/c.iso"):
        origin.put(name, name.encode())
    code, out, err = run("add", "-r", origin.url("/pub/"), "-d", "isos", "--wait", "--priority", "2")
    assert (code, err) == (0, "")
    assert {task.filename for task in here.list()} == {"isos/a.iso", "isos/sub/b.iso", "isos/sub/deep er/c.iso"}
    assert set(out.split()) == {task.tid for task in here.list()}
    assert {task.options.priority for task in here.list()} == {2}


def test_a_second_run_adds_what_is_new(here, run, origin, shelf):
    shelf("/pub/", "a.iso")
    assert run("add", "-r", "--paused", origin.url("/pub"))[0] == 0
    shelf("/pub/", "a.iso", "b.iso")
    code, out, err = run("add", "-r", "--paused", origin.url("/pub/"))
    assert (code, out.split()) == (0, [tid_of(origin.url("/pub/b.iso"))])
    assert err == "dlserv: left as they are, because they were added before: 1\n"


def test_more_files_than_one_request_holds(here, run, origin, shelf):
    shelf("/", *["%04d.iso" % number for number in range(1200)])
    code, out, _ = run("add", "-r", "--paused", "--most", "1100", origin.url())
    assert code == 0 and len(out.split()) == len(here.list()) == 1100


def test_a_dry_run_adds_nothing(here, run, origin, shelf):
    shelf("/pub/", "a.iso", "sub/")
    shelf("/pub/sub/", "b.iso")
    code, out, err = run("add", "-r", origin.url("/pub/"), "--dry-run", "-d", "x")
    assert (code, err, here.list()) == (0, "", [])
    assert out == "%s\tx\n%s\tx/sub\n" % (origin.url("/pub/a.iso"), origin.url("/pub/sub/b.iso"))


def test_patterns_choose_names_and_reject_wins(here, run, origin, shelf):
    shelf("/", "a.iso", "b.ISO", "c.img", "not.iso", "sub.iso/", "d%20e.iso")
    shelf("/sub.iso/", "f.txt", "g.iso")
    assert set(listed(run, origin.url("/"), "--accept", "*.iso", "--accept", "*.img", "--reject", "not*")) == {
        "/a.iso", "/c.img", "/d%20e.iso", "/sub.iso/g.iso"}
    assert set(listed(run, origin.url("/"), "--reject", "*.iso", "--reject", "[bc].*")) == {"/sub.iso/f.txt"}
    assert set(listed(run, origin.url("/"), "--accept", "d e.*")) == {"/d%20e.iso"}


# -- ends ----------------------------------------------------------------------------------------

def test_the_depth_ends_it_and_is_told(here, run, origin, shelf):
    for depth in range(4):
        shelf("/" + "s/" * depth, "%d.iso" % depth, "s/")
    code, out, err = run("add", "-r", "--dry-run", "--depth", "2", origin.url("/"))
    assert code == 0 and [line.split("\t")[1] for line in out.splitlines()] == ["", "s"]
    assert "below depth 2: 1; --depth goes further" in err
    code, out, err = run("add", "-r", "--dry-run", "--depth", "1", origin.url("/"))
    assert out.count("\n") == 1 and len(origin.asked("/s/")) == 1
    shelf("/", "s/s/s/deep.iso")
    code, out, err = run("add", "-r", "--dry-run", "--depth", "3", origin.url("/"))
    assert out == "" and "below depth 3" in err


def test_a_loop_of_links_ends(here, run, origin, shelf):
    shelf("/a/", "b/", "/a/", "x.iso")
    shelf("/a/b/", "../", "/a/b/", "./", "/a/b/../b/")
    assert listed(run, origin.url("/a/")) == {"/a/x.iso": ""}
    assert len(origin.requests) == 2


def test_too_many_files_are_told(here, run, origin, shelf):
    shelf("/", *["%d.iso" % number for number in range(11)])
    code, out, err = run("add", "-r", "--paused", "--most", "10", origin.url("/"))
    assert code == 0 and len(out.split()) == 10 and "more files than --most allows" in err
    code, out, err = run("add", "-r", "--paused", "--most", "11", origin.url("/"))
    assert (code, len(out.split())) == (0, 1) and "--most" not in err


def test_a_listing_without_end_is_refused(here, run, origin, shelf):
    shelf("/", "big/", "a.iso")
    origin.put("/big/", b"<a href=x>" * 1700000, headers=HTML)
    code, out, err = run("add", "-r", "--dry-run", origin.url("/"))
    assert code == 1 and out == origin.url("/a.iso") + "\t\n"
    assert err == "dlserv: %s: the server sent more than 16 MiB\n" % origin.url("/big/")


def test_a_part_that_fails_leaves_the_rest(here, run, origin, shelf):
    shelf("/", "gone/", "no-page/", "a.iso")
    origin.put("/no-page/", b"x", headers={"Content-Type": "application/zip"})
    code, out, err = run("add", "-r", "--paused", origin.url("/"))
    assert code == 1 and [task.url for task in here.list()] == [origin.url("/a.iso")]
    assert "/gone/: the server answered 404" in err and "no listing: the server sent application/zip" in err


def test_a_start_that_fails_is_told(here, run, origin, shelf):
    shelf("/", "a.iso")
    code, out, err = run("add", "-r", "--paused", origin.url("/gone/"), origin.url("/"))
    assert code == 1 and out.split() == [tid_of(origin.url("/a.iso"))]
    assert err == "dlserv: %s: the server answered 404 Not Found\n" % origin.url("/gone/")


def test_a_busy_server_is_asked_again(here, run, origin, shelf, monkeypatch):
    shelf("/", "a.iso", script=[refuse("503 Service Unavailable", Retry_After=1)])
    assert listed(run, origin.url("/")) == {"/a.iso": ""}


# -- redirects ------------------------------------------------------------------------------------

def test_a_redirect_within_is_followed(here, run, origin, shelf):
    shelf("/pub/", "old/", "new/", "back/")
    origin.put("/pub/old/", script=[redirect("/pub/new/")])
    origin.put("/pub/back/", script=[redirect("/pub/")])
    shelf("/pub/new/", "a.iso")
    assert listed(run, origin.url("/pub/")) == {"/pub/new/a.iso": "new"}


@pytest.mark.parametrize("location", ["/secret/", "//127.0.0.1:{port}/pub/", "/pub/%2e%2e/secret/", "/pub/?x=1"])
def test_a_redirect_outwards_is_not_followed(here, run, origin, shelf, location):
    with Origin() as other:
        location = location.format(port=other.server_address[1])
        shelf("/pub/", "away/", "a.iso")
        origin.put("/pub/away/", script=[redirect(location)])
        code, out, err = run("add", "-r", "--dry-run", origin.url("/pub/"))
        assert code == 1 and out == origin.url("/pub/a.iso") + "\t\n" and "not below the start" in err
        assert other.requests == [] and {each.path for each in origin.requests} == {"/pub/", "/pub/away/"}


# -- names -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["c%3A", "a%0Ab", "%1B%5B31m", "x%5Cy"])
def test_a_folder_the_daemon_refuses_is_left_out(here, run, origin, shelf, name):
    shelf("/", name + "/", "a.iso")
    shelf("/" + name + "/", "b.iso")
    code, out, err = run("add", "-r", "--paused", origin.url("/"))
    assert code == 0 and [task.url for task in here.list()] == [origin.url("/a.iso")]
    assert "\x1b" not in err and ("the daemon takes no folder so named" in err) == (name != "x%5Cy")


def test_control_characters_are_not_printed(here, run, origin, shelf):
    shelf("/", "a%1B%5B31m%0Ab.iso", "\u202egnp.iso", "caf%e9/")
    shelf("/caf%E9/", "x")
    code, out, err = run("add", "-r", "--dry-run", origin.url("/"))
    assert code == 0 and "\x1b" not in out and "\u202e" not in out and len(out.splitlines()) == 3


# -- who asks ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["flag", "url", "netrc", "header"])
def test_credentials_count_for_listings_and_tasks(here, run, origin, shelf, how, tmp_path):
    wanted = "Basic " + base64.b64encode(b"me:pw").decode()

    def guarded(exchange):
        if exchange.request.headers.get("authorization") == wanted:
            exchange.answer()
        else:
            refuse("401 Unauthorized", WWW_Authenticate='Basic realm="x"')(exchange)

    shelf("/", "a.iso", "s/", script=[guarded] * 9)
    shelf("/s/", "b.iso", script=[guarded] * 9)
    arguments = {"flag": ["-u", "me:pw", origin.url("/")], "url": [origin.url("/", user="me:pw")],
                 "netrc": [origin.url("/")], "header": ["-H", "Authorization: " + wanted, origin.url("/")]}[how]
    if how == "netrc":
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / ".netrc").write_text("machine 127.0.0.1 login me password pw\n")
        (tmp_path / "home" / ".netrc").chmod(0o600)
    code, out, err = run("add", "-r", "--paused", *arguments)
    assert (code, err) == (0, "") and {task.url for task in here.list()} == {
        origin.url("/a.iso"), origin.url("/s/b.iso")}
    posted = here.list()[0].posted
    assert (posted.get("user"), posted.get("password")) == (("me", "pw") if how in ("flag", "url") else (None, None))


def test_cookies_and_agent_go_along(here, run, origin, shelf, tmp_path):
    shelf("/", "a.iso")
    (tmp_path / "cookies.txt").write_text("127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\ts3cret\n")
    code, _, err = run("add", "-r", "--paused", "-U", "mine/1", "--load-cookies", str(tmp_path / "cookies.txt"),
                       origin.url("/"))
    assert (code, err) == (0, "")
    assert origin.requests[0].headers["cookie"] == "session=s3cret"
    assert origin.requests[0].headers["user-agent"] == "mine/1"
    assert here.list()[0].posted == {"user_agent": "mine/1", "cookies": "session=s3cret", "paused": True}


def test_certificates_are_checked_as_for_downloads(here, run, tmp_path):
    certs = os.path.join(os.path.dirname(os.path.dirname(__file__)), "certs")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(certs, "self-signed.pem"))
    with Origin(context) as server:
        server.put("/", b"<a href=a.iso>", headers=HTML)
        code, out, err = run("add", "-r", "--dry-run", server.url("/"))
        assert code == 1 and "certificate" in err
        assert run("add", "-r", "--dry-run", "-k", server.url("/"))[:2] == (0, server.url("/a.iso") + "\t\n")


# -- usage --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, flag", [
    (("-r", "--depth", "0"), "--depth"), (("-r", "--depth", "x"), "--depth"), (("-r", "--most", "-1"), "--most"),
    (("-r", "--most", "1000000"), "--most"), (("--depth", "2"), "--depth"), (("--most", "2"), "--most"),
    (("--accept", "*"), "--accept"), (("--reject", "*"), "--reject"), (("--dry-run",), "--dry-run"),
    (("-r", "-o", "x.iso"), "filename"), (("-r", "--checksum", "md5:" + "0" * 32), "checksum"),
    (("-r", "--mirror", "http://127.0.0.1:1/"), "mirrors")])
def test_a_wrong_flag_is_named(here, run, origin, shelf, arguments, flag):
    shelf("/", "a.iso")
    code, out, err = run("add", origin.url("/"), *arguments)
    assert (code, out, here.list(), origin.requests) == (2, "", [], []) and err.startswith("dlserv: %s: " % flag)


def test_an_address_that_is_none_is_named(here, run):
    code, out, err = run("add", "-r", "example.org/pub/")
    assert (code, out) == (2, "") and err.startswith("dlserv: URL: example.org/pub/ ")


# -- FTP -----------------------------------------------------------------------------------------------

FILES = {"pub/a.iso": b"a", "pub/sub/b c.iso": b"b", "pub/sub/deep/d#1.iso": b"d", "other/x.iso": b"x"}
FOUND = {"/pub/a.iso": "", "/pub/sub/b%20c.iso": "sub", "/pub/sub/deep/d%231.iso": "sub/deep"}


@pytest.mark.parametrize("without", [(), ("MLSD",), ("MLSD", "LIST")])
def test_folders_over_ftp(here, run, without):
    with Ftpd(FILES, without=without) as server:
        assert listed(run, server.url("/pub")) == FOUND
        code, out, err = run("add", "-r", server.url("/pub/"), "--wait")
        assert (code, err) == (0, "")
    assert {task.filename for task in here.list()} == {"a.iso", "sub/b c.iso", "sub/deep/d#1.iso"}


@pytest.mark.parametrize("without", [(), ("MLSD",), ("MLSD", "LIST")])
def test_a_loop_over_ftp_ends_at_the_depth(here, run, without):
    with Ftpd(FILES, without=without) as server:
        server.links["pub/sub/up"] = "pub"
        assert listed(run, "--depth", "3", server.url("/pub/")) == dict(FOUND, **{"/pub/sub/up/a.iso": "sub/up"})
        assert len([line for line in server.commands if line.startswith("USER")]) == 1


def test_an_ftp_server_that_lists_nothing_is_told(here, run):
    with Ftpd(FILES, without=("MLSD", "LIST", "NLST")) as server:
        code, out, err = run("add", "-r", server.url("/pub/"))
        assert (code, out) == (1, "") and "lists no folders" in err
        code, out, err = run("add", "-r", server.url("/none/"))
        assert (code, out) == (1, "") and "550 No such folder" in err


def test_credentials_count_over_ftp(here, run):
    with Ftpd(FILES, users={"me": "pw"}) as server:
        assert run("add", "-r", server.url("/pub/"))[0] == 1
        code, out, err = run("add", "-r", "--wait", server.url("/pub/", user="me:pw"), "--accept", "a*")
        assert (code, err) == (0, "") and until(lambda: here.list()[0].filename == "a.iso")

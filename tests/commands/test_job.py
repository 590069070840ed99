"""The jobs of get: what fails, waits and goes on, and a file that is there already."""

import hashlib
import os
import re
import signal

import pytest

from harness import PATIENCE, ROOT, listing, noise, until
from servers.ftpd import Ftpd
from servers.origin import Exchange, Gate, Origin, drop, ignore_range, redirect, refuse

DATA = noise(50000)
LARGE = noise(500000)


def is_here(part, count):
    """Return whether the first bytes of DATA are in the file."""
    return part.exists() and part.read_bytes()[:count] == DATA[:count]


# -- what fails, waits and goes on -----------------------------------------------------------

def test_what_failed_is_told_and_the_rest_goes_on(run, origin, away, monkeypatch):
    monkeypatch.setenv("DLSERV_RETRIES", "0")
    origin.put("/x.iso", DATA, script=[refuse("403 Forbidden")])
    origin.put("/y.iso", DATA)
    code, out, err = run("get", origin.url("/x.iso"), origin.url("/y.iso"))
    assert (code, out) == (1, "y.iso\n")
    assert err == "dlserv: %s: the server answered 403 Forbidden\n" % origin.url("/x.iso")


def test_a_503_is_waited_out_and_that_is_told(run, start, origin, away):
    for path in ("/x.iso", "/y.iso"):
        origin.put(path, DATA, script=[refuse("503 Busy", Retry_After="1")])
    quiet = start("get", "-q", origin.url("/y.iso"))
    code, out, err = run("get", origin.url("/x.iso"))
    assert (code, out) == (0, "x.iso\n") and err.count("\n") == 1
    assert re.search(r"the server answered 503 Service Unavailable.* in \d+ s", err)
    assert quiet.wait(PATIENCE) == 0
    assert (quiet.stdout.read(), quiet.stderr.read()) == (b"y.iso\n", b"")


def test_this_machine_is_waited_for_unless_tries_are_limited(run, start, origin, away, monkeypatch):
    monkeypatch.setenv("DLSERV_RESERVE", str(2 ** 52))      # more than any disk has
    origin.put("/x.iso", DATA)
    code, out, err = run("get", "--tries", "1", origin.url("/x.iso"))
    assert (code, out) == (1, "") and "not enough room" in err.splitlines()[-1] and listing() == []
    getting = start("get", origin.url("/x.iso"))
    assert b"not enough room" in getting.stderr.readline()
    getting.send_signal(signal.SIGINT)
    assert getting.wait(30) == 130 and listing() == []


def test_it_goes_on_from_a_part_that_it_can_prove(run, origin, away, monkeypatch):
    monkeypatch.setenv("DLSERV_RETRIES", "0")
    origin.put("/x.iso", DATA, script=[drop(20000)])
    url = origin.url("/x.iso")
    code, _, err = run("get", url, "--connections", "1")
    assert code == 1 and "x.iso.part" in listing()
    assert run("get", url, "--connections", "1") == (0, "x.iso\n", "")
    assert "range" in origin.asked("/x.iso")[1].headers
    assert listing() == ["x.iso"] and (away / "x.iso").read_bytes() == DATA


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_is_interrupted_in_order_and_goes_on(start, run, origin, away, number, code):
    origin.put("/x.iso", DATA, script=[Gate(after=20000)])
    getting = start("get", origin.url("/x.iso"))
    until(lambda: is_here(away / "x.iso.part", 20000))
    getting.send_signal(number)
    assert getting.wait(30) == code
    said = getting.stderr.read().decode()
    assert said == ("dlserv: stopped; the same command goes on from where it was\n" if code == 130 else "")
    assert run("get", origin.url("/x.iso"), "--limit", "100M") == (0, "x.iso\n", "")
    assert "range" in origin.asked("/x.iso")[-1].headers and listing() == ["x.iso"]


def test_an_interrupted_one_to_standard_output_leaves_nothing(start, origin, away, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(away))
    gate = Gate(after=20000)
    origin.put("/x.iso", DATA, script=[gate])
    getting = start("get", "-o", "-", origin.url("/x.iso"))
    until(gate.reached.is_set)
    getting.send_signal(signal.SIGINT)
    assert getting.wait(30) == 130 and getting.stdout.read() == b"" and listing() == []


def test_a_download_that_another_get_makes_is_refused(start, run, origin, away):
    origin.put("/x.iso", DATA, script=[Gate(after=20000)])
    start("get", origin.url("/x.iso"))
    until(lambda: is_here(away / "x.iso.part", 20000))
    code, out, err = run("get", origin.url("/x.iso"))
    assert (code, out) == (1, "") and "in use by another dlserv" in err
    assert {".db", ".part"} <= {os.path.splitext(name)[1] for name in listing()}


# -- a file that is there ---------------------------------------------------------------------

def test_a_whole_file_is_said_so_and_left_alone(run, origin, away):
    for name, data in (("x.iso", DATA), ("large.iso", LARGE), ("small.txt", b"x"), ("empty.bin", b"")):
        origin.put("/" + name, data)
        (away / name).write_bytes(data)
        before = os.stat(name)
        code, out, err = run("get", origin.url("/" + name))
        assert (code, out) == (0, name + "\n")
        assert err == "dlserv: %s is here already, and whole; --overwrite downloads it again\n" % name
        assert run("get", "-q", origin.url("/" + name)) == (0, name + "\n", "")
        after = os.stat(name)
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert listing() == ["empty.bin", "large.iso", "small.txt", "x.iso"]


@pytest.mark.parametrize("arguments, path", [
    (["-o", "a/y.iso"], "a/y.iso"), (["-d", "a"], "a/x.iso"), (["-O", "y.iso"], "y.iso")])
def test_a_whole_file_is_found_where_the_flags_say(run, origin, away, arguments, path):
    origin.put("/x.iso", DATA)
    (away / "a").mkdir()
    (away / path).write_bytes(DATA)
    code, out, err = run("get", *arguments, origin.url("/x.iso"))
    assert (code, out) == (0, path + "\n") and "is here already" in err


def test_a_whole_file_is_found_under_the_server_s_name(run, origin, away):
    origin.put("/download", LARGE, headers={"Content-Disposition": 'attachment; filename="real.iso"'})
    origin.put("/link", b"", script=[redirect("/download")] * 9)
    (away / "real.iso").write_bytes(LARGE)
    assert "is here already" in run("get", origin.url("/link"))[2] and listing() == ["real.iso"]


@pytest.mark.parametrize("change", ["shorter", "first", "middle", "last", "empty"])
def test_another_file_is_left_alone_and_the_new_one_renamed(run, origin, away, change):
    origin.put("/x.iso", LARGE)
    other = {"shorter": LARGE[:-1], "first": b"?" + LARGE[1:], "last": LARGE[:-1] + b"?", "empty": b"",
             "middle": LARGE[:250000] + bytes(100000) + LARGE[350000:]}[change]
    (away / "x.iso").write_bytes(other)
    assert run("get", origin.url("/x.iso")) == (0, "x (1).iso\n", "")
    assert (away / "x.iso").read_bytes() == other and (away / "x (1).iso").read_bytes() == LARGE
    assert listing() == ["x (1).iso", "x.iso"]


@pytest.mark.parametrize("meanwhile", ["cut", "longer", "rewritten", "gone"])
def test_a_file_that_changes_during_the_look_is_not_whole(run, origin, away, meanwhile):
    path, name = away / "x.iso", "x.iso" if meanwhile == "gone" else "x (1).iso"
    other = {"cut": LARGE[:200000], "longer": LARGE + b"?", "rewritten": b"?" + LARGE[1:]}.get(meanwhile)

    def change(exchange):
        path.write_bytes(other) if other else path.unlink()
        exchange.answer()
    origin.put("/x.iso", LARGE, script=[Exchange.answer] * 2 + [change])
    path.write_bytes(LARGE)
    os.utime(path, (1, 1))
    assert run("get", origin.url("/x.iso")) == (0, name + "\n", "") and (away / name).read_bytes() == LARGE
    assert path.read_bytes() == (other or LARGE)


@pytest.mark.parametrize("size", [len(DATA), len(LARGE)])
def test_a_checksum_decides_about_the_file_that_is_there(run, origin, away, size):
    data = (LARGE if size == len(LARGE) else DATA)
    origin.put("/x.iso", data)
    digest = hashlib.sha256(data).hexdigest()
    (away / "x.iso").write_bytes(data)
    assert "is here already" in run("get", "--checksum", "sha256:" + digest, origin.url("/x.iso"))[2]
    asked = len(origin.asked("/x.iso"))
    assert asked <= 2       # no samples
    damaged = bytearray(data)
    damaged[size // 3] ^= 1
    (away / "x.iso").write_bytes(damaged)
    assert run("get", "--checksum", "sha256:" + digest, origin.url("/x.iso")) == (0, "x (1).iso\n", "")


@pytest.mark.parametrize("fault", [ignore_range, Gate(after=0, sized=False)])
def test_bytes_are_compared_where_the_server_cannot_tell(run, origin, away, fault):
    if isinstance(fault, Gate):
        fault.open()
    origin.put("/x.iso", LARGE, script=[fault] * 30, ranges=fault is not ignore_range)
    (away / "x.iso").write_bytes(LARGE)
    code, out, err = run("get", origin.url("/x.iso"))
    assert (code, out) == (0, "x.iso\n") and "is here already" in err and listing() == ["x.iso"]
    (away / "x.iso").write_bytes(DATA)
    assert run("get", origin.url("/x.iso")) == (0, "x (1).iso\n", "")


def test_ftp_files_are_looked_at_as_well(run, away):
    with Ftpd({"x.iso": LARGE}) as server:
        assert run("get", server.url("/x.iso")) == (0, "x.iso\n", "")
        assert "is here already" in run("get", server.url("/x.iso"))[2] and listing() == ["x.iso"]
        (away / "x.iso").write_bytes(LARGE[:-1] + b"?")
        assert run("get", server.url("/x.iso")) == (0, "x (1).iso\n", "")


def test_https_files_are_looked_at_as_well(run, away):
    ssl = pytest.importorskip("ssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(ROOT, "tests", "certs", "self-signed.pem"))
    with Origin(context) as server:
        server.put("/x.iso", LARGE)
        assert run("get", "--tries", "1", server.url("/x.iso"))[0] == 1
        assert run("get", "-k", server.url("/x.iso")) == (0, "x.iso\n", "")
        assert "is here already" in run("get", "-k", server.url("/x.iso"))[2] and listing() == ["x.iso"]


def test_a_file_that_aria2_has_not_finished_is_not_whole(run, origin, away):
    origin.put("/x.iso", LARGE)
    (away / "x.iso").write_bytes(LARGE)
    (away / "x.iso.aria2").write_bytes(b"")
    code, out, err = run("get", origin.url("/x.iso"))
    assert code == 0 and out in ("x (1).iso\n", "x.iso\n") and (away / "x.iso").read_bytes() == LARGE


@pytest.mark.parametrize("old", [DATA, b"another", b""])
def test_overwrite_replaces_the_file_once_the_new_one_is_whole(run, origin, away, old, monkeypatch):
    monkeypatch.setenv("DLSERV_RETRIES", "0")
    (away / "x.iso").write_bytes(old)
    origin.put("/x.iso", DATA, script=[refuse("404 Not Found")])
    assert run("get", "--overwrite", origin.url("/x.iso"))[0] == 1 and (away / "x.iso").read_bytes() == old
    assert run("get", "--overwrite", origin.url("/x.iso")) == (0, "x.iso\n", "")
    assert (away / "x.iso").read_bytes() == DATA and listing() == ["x.iso"]


def test_overwrite_replaces_no_folder(run, origin, away):
    origin.put("/x.iso", DATA)
    (away / "x.iso").mkdir()
    code, out, err = run("get", "--overwrite", origin.url("/x.iso"))
    assert (code, out) == (1, "") and "cannot be replaced" in err
    assert (away / "x.iso").is_dir() and (away / "x (1).iso").read_bytes() == DATA


def test_a_setting_that_forbids_other_names_is_kept(run, origin, away, monkeypatch):
    monkeypatch.setenv("DLSERV_OVERWRITE", "never")
    origin.put("/x.iso", DATA)
    (away / "x.iso").write_bytes(b"another")
    code, out, err = run("get", origin.url("/x.iso"))
    assert (code, out) == (1, "") and "x.iso is there already" in err and listing() == ["x.iso"]
    (away / "x.iso").write_bytes(DATA)
    assert run("get", origin.url("/x.iso"))[0] == 0

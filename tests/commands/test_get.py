"""get: download here and now, as people who know wget, curl and aria2c type it."""

import base64
import hashlib
import os
import re
import signal
import subprocess
import sys

import pytest

from harness import ROOT, noise, until
from servers.ftpd import Ftpd
from servers.origin import Gate, Origin, drop, ignore_range, redirect, refuse

DATA = noise(50000)
LARGE = noise(500000)


def is_here(part, count):
    """Return whether the first bytes of DATA are in the file."""
    return part.exists() and part.read_bytes()[:count] == DATA[:count]


def names(folder="."):
    return sorted(os.listdir(str(folder)))


# -- where it goes --------------------------------------------------------------------------

def test_it_downloads_into_this_folder_without_a_daemon(run, origin, away):
    origin.put("/x.iso", DATA)
    origin.put("/y.iso", DATA + b"y")
    assert run("get", origin.url("/x.iso"), origin.url("/y.iso")) == (0, "x.iso\ny.iso\n", "")
    assert (away / "x.iso").read_bytes() == DATA and names() == ["x.iso", "y.iso"]


@pytest.mark.parametrize("arguments, path", [
    (["-o", "z.iso"], "z.iso"), (["-o", "new/folder/z.iso"], "new/folder/z.iso"),
    (["-d", "new/folder"], "new/folder/x.iso"),
    (["-P", "new"], "new/x.iso"), (["--directory-prefix=new", "--out=z.iso"], "new/z.iso"),
    (["-d", "a", "-o", "b/z.iso"], "a/b/z.iso"), (["-O", "z.iso"], "z.iso"),
    (["--output-document=a/z.iso"], "a/z.iso"),
    (["-O"], "x.iso"), (["--remote-name"], "x.iso"), (["-L", "-c"], "x.iso"), (["-o", "new/"], "new/x.iso"),
    (["-C", "-"], "x.iso"), (["-o", "./-"], "-"), (["--output", "../away/z.iso"], "../away/z.iso")])
def test_the_file_goes_where_the_flags_say(run, origin, away, arguments, path):
    origin.put("/x.iso", DATA)
    assert run("get", origin.url("/x.iso"), *arguments) == (0, os.path.normpath(path) + "\n", "")
    assert (away / path).read_bytes() == DATA
    assert not [name for name in names((away / path).parent) if name.startswith(".dlserv")]


def test_a_folder_that_is_there_takes_the_file(run, origin, away):
    origin.put("/x.iso", DATA)
    (away / "isos" / "new").mkdir(parents=True)
    for arguments, folder in ((["-o", "isos"], "isos"), (["-P", "isos", "-O", "new"], "isos/new")):
        assert run("get", *arguments, origin.url("/x.iso"))[1] == os.path.join(folder, "x.iso\n")


def test_a_folder_that_cannot_be_is_told(run, origin, away):
    origin.put("/x.iso", DATA)
    (away / "file").write_text("mine")
    code, out, err = run("get", "-d", "file/x", origin.url("/x.iso"))
    assert (code, out, err.count("\n")) == (1, "", 1) and "file/x" in err and names() == ["file"]


def test_an_absolute_path_is_where_the_file_goes(run, origin, away, tmp_path):
    origin.put("/x.iso", DATA)
    target = str(tmp_path / "elsewhere" / "z.iso")
    assert run("get", "-d", "ignored", "-o", target, origin.url("/x.iso")) == (0, target + "\n", "")
    assert names(tmp_path / "elsewhere") == ["z.iso"] and names() == []


@pytest.mark.parametrize("arguments", [
    ["-o", "-"], ["-O", "-"], ["-qO-"], ["--output-document=-"], ["-o", "-", "-q"]])
def test_the_file_goes_to_standard_output(run, origin, away, arguments):
    origin.put("/x.iso", DATA)
    origin.put("/y.iso", LARGE)
    code, out, err = run("get", *arguments, origin.url("/x.iso"), binary=True)
    assert (code, err) == (0, "") and out == DATA and names() == []
    code, out, err = run("get", origin.url("/y.iso"), origin.url("/x.iso"), *arguments, binary=True)
    assert (code, err) == (0, "") and out == LARGE + DATA and names() == []


def test_standard_output_gets_nothing_that_is_not_whole(run, origin, away, monkeypatch, tmp_path):
    monkeypatch.setenv("DLSERV_RETRIES", "0")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "away"))
    origin.put("/x.iso", DATA, script=[drop(20000)])
    code, out, err = run("get", "-o", "-", origin.url("/x.iso"))
    assert (code, out) == (1, "") and err.startswith("dlserv: ") and names() == []
    code, out, err = run("get", "-o", "-", origin.url("/x.iso"), "--checksum", "md5:" + "0" * 32)
    assert (code, out) == (1, "") and "checksum" in err and names() == []


def test_a_reader_that_has_enough_of_the_file_ends_it(origin, away):
    origin.put("/x.iso", noise(5000000))
    script = 'exec 3>&1; { "$@"; echo $? >&3; } | head -c 3 >/dev/null'
    command = [sys.executable, os.path.join(ROOT, "dlserv.py"), "get", "-o", "-", origin.url("/x.iso")]
    done = subprocess.run(["sh", "-c", script, "sh"] + command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    assert (done.stdout, done.stderr) == (b"0\n", b"") and names() == []


# -- flags ----------------------------------------------------------------------------------

def test_a_request_is_made_as_the_flags_say(run, origin, away):
    origin.put("/x.iso", DATA)
    assert run("get", "-H", "X-A: b", "-H", "X-C: d", "-U", "mine/1", "-e", "http://r/", "-x", "1",
               origin.url("/x.iso"))[0] == 0
    asked = origin.asked("/x.iso")[0].headers
    assert (asked["x-a"], asked["x-c"]) == ("b", "d")
    assert (asked["user-agent"], asked["referer"]) == ("mine/1", "http://r/")


def test_user_and_password_answer_a_challenge(run, origin, away):
    challenge = refuse("401 Unauthorized", WWW_Authenticate='Basic realm="x"')
    for arguments in (["-u", "me:p:w"], ["--http-user=me", "--http-passwd=p:w"],
                      ["--user=me", "--password=p:w"]):
        origin.put("/x.iso", DATA, script=[challenge])
        assert run("get", "-o", "-", *arguments, origin.url("/x.iso"), binary=True)[0] == 0
        sent = origin.asked("/x.iso")[-1].headers["authorization"]
        assert sent == "Basic " + base64.b64encode(b"me:p:w").decode()


def test_cookies_come_from_a_file(run, origin, away):
    origin.put("/x.iso", DATA)
    (away / "jar.txt").write_text("127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\ts3cret\n")
    assert run("get", "--load-cookies", "jar.txt", origin.url("/x.iso")) == (0, "x.iso\n", "")
    assert origin.asked("/x.iso")[0].headers["cookie"] == "session=s3cret"
    code, _, err = run("get", "--load-cookies", "none.txt", origin.url("/x.iso"))
    assert code == 2 and err.startswith("dlserv: --load-cookies: ")


def test_tries_are_counted_as_wget_counts_them(run, origin, away, monkeypatch):
    monkeypatch.setenv("DLSERV_RETRY_WAIT", "0.01")
    for arguments, asked in ((["--tries", "1"], 1), (["-t3"], 3), (["--retry", "1"], 2)):
        origin.requests.clear()
        origin.put("/x.iso", DATA, script=[refuse("503 Busy")] * 9)
        assert run("get", "-q", *arguments, origin.url("/x.iso"))[0] == 1
        assert len(origin.asked("/x.iso")) == asked


def test_a_mirror_helps_out(run, origin, away, monkeypatch):
    monkeypatch.setenv("DLSERV_RETRIES", "0")
    origin.put("/gone.iso", DATA, script=[refuse("404 Not Found")] * 9)
    origin.put("/x.iso", DATA)
    for _ in range(2):
        assert run("get", "--mirror", origin.url("/x.iso"), origin.url("/gone.iso"))[1] == "gone.iso\n"
    assert (away / "gone.iso").read_bytes() == DATA and names() == ["gone.iso"]


@pytest.mark.parametrize("form", ["sha256:%s", "sha-256=%s", "sha256=%s"])
def test_a_checksum_is_verified(run, origin, away, form):
    origin.put("/x.iso", DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    assert run("get", "--checksum", form % digest, origin.url("/x.iso")) == (0, "x.iso\n", "")
    code, out, err = run("get", "--checksum", form % ("0" * 64), "-o", "y.iso", origin.url("/x.iso"))
    assert (code, out) == (1, "") and "checksum" in err and names() == ["x.iso"]


def test_lists_are_read_with_their_options(run, origin, away):
    origin.put("/x.iso", DATA)
    (away / "list").write_text("# a list\n%s\n  out=z.iso\n  dir=sub\n" % origin.url("/x.iso"))
    assert run("get", "-i", "list") == (0, os.path.join("sub", "z.iso\n"), "")
    out = run("get", "-P", "b", "--input-file=-", stdin=origin.url("/x.iso").encode())[1]
    assert out == os.path.join("b", "x.iso\n")


def test_several_run_at_the_same_time(start, origin, away):
    gates = [Gate(after=20000), Gate(after=20000), Gate(after=20000)]
    for number, gate in enumerate(gates):
        origin.put("/%d.iso" % number, DATA, script=[gate])
    getting = start("get", "-j", "2", "-x", "1", *[origin.url("/%d.iso" % number) for number in range(3)])
    until(lambda: gates[0].reached.is_set() and gates[1].reached.is_set())
    assert not gates[2].reached.is_set() and getting.poll() is None
    gates[1].open()
    until(gates[2].reached.is_set)
    gates[2].open()
    gates[0].open()
    assert getting.wait(30) == 0
    assert sorted(getting.stdout.read().decode().split()) == ["0.iso", "1.iso", "2.iso"] == names()


def test_one_that_fails_does_not_stop_the_others(run, origin, away):
    origin.put("/gone.iso", DATA, script=[refuse("404 Not Found")])
    for name in "abc":
        origin.put("/%s.iso" % name, DATA + name.encode())
    wanted = [origin.url("/%s.iso" % name) for name in ("a", "gone", "b", "c")]
    code, out, err = run("get", "-j", "4", *wanted)
    assert code == 1 and sorted(out.split()) == ["a.iso", "b.iso", "c.iso"] and err.count("\n") == 1
    assert names() == ["a.iso", "b.iso", "c.iso"]


@pytest.mark.parametrize("arguments, flag", [
    (["-j", "many"], "-j"), (["--jobs", "0"], "--jobs"), (["-x", "0"], "-x"),
    (["--limit-rate", "fast"], "--limit-rate")])
def test_a_wrong_flag_downloads_nothing(run, origin, away, arguments, flag):
    code, out, err = run("get", *arguments, origin.url("/x.iso"))
    assert (code, out, names()) == (2, "", []) and err.startswith("dlserv: %s: " % flag)


def test_a_url_without_a_scheme_is_told(run, away):
    code, out, err = run("get", "example.org/x.iso")
    assert (code, out) == (2, "") and "did you mean https://example.org/x.iso?" in err
    assert run("get", "nonsense")[0] == 2 and run("get")[0] == 2 and names() == []


def test_settings_of_downloads_count(run, origin, away, monkeypatch, tmp_path):
    monkeypatch.setenv("DLSERV_USER_AGENT", "mine/1")
    origin.put("/x.iso", DATA)
    run("get", origin.url("/x.iso"))
    assert origin.asked("/x.iso")[0].headers["user-agent"] == "mine/1"
    (tmp_path / "c.json").write_text('{"download": {"user_agent": "file/1"}}')
    monkeypatch.delenv("DLSERV_USER_AGENT")
    assert run("-c", str(tmp_path / "c.json"), "get", "-c", "-o", "y", origin.url("/x.iso"))[0] == 0
    assert origin.asked("/x.iso")[-1].headers["user-agent"] == "file/1"


# -- what fails, waits and goes on -----------------------------------------------------------

def test_what_failed_is_told_and_the_rest_goes_on(run, origin, away, monkeypatch):
    monkeypatch.setenv("DLSERV_RETRIES", "0")
    origin.put("/x.iso", DATA, script=[refuse("403 Forbidden")])
    origin.put("/y.iso", DATA)
    code, out, err = run("get", origin.url("/x.iso"), origin.url("/y.iso"))
    assert (code, out) == (1, "y.iso\n")
    assert err == "dlserv: %s: the server answered 403 Forbidden\n" % origin.url("/x.iso")


def test_a_503_is_waited_out_and_that_is_told(run, origin, away):
    origin.put("/x.iso", DATA, script=[refuse("503 Busy", Retry_After="1")])
    code, out, err = run("get", origin.url("/x.iso"))
    assert (code, out) == (0, "x.iso\n") and err.count("\n") == 1
    assert re.search(r"the server answered 503 Service Unavailable.* in \d+ s", err)
    origin.put("/y.iso", DATA, script=[refuse("503 Busy", Retry_After="1")])
    assert run("get", "-q", origin.url("/y.iso")) == (0, "y.iso\n", "")


def test_this_machine_is_waited_for_unless_tries_are_limited(run, start, origin, away, monkeypatch):
    monkeypatch.setenv("DLSERV_RESERVE", str(2 ** 52))      # more than any disk has
    origin.put("/x.iso", DATA)
    code, out, err = run("get", "--tries", "1", origin.url("/x.iso"))
    assert (code, out) == (1, "") and "not enough room" in err.splitlines()[-1] and names() == []
    getting = start("get", origin.url("/x.iso"))
    assert b"not enough room" in getting.stderr.readline()
    getting.send_signal(signal.SIGINT)
    assert getting.wait(30) == 130 and names() == []


def test_it_goes_on_from_a_part_that_it_can_prove(run, origin, away, monkeypatch):
    monkeypatch.setenv("DLSERV_RETRIES", "0")
    origin.put("/x.iso", DATA, script=[drop(20000)])
    url = origin.url("/x.iso")
    code, _, err = run("get", url, "--connections", "1")
    assert code == 1 and "x.iso.part" in names()
    assert run("get", url, "--connections", "1") == (0, "x.iso\n", "")
    assert "range" in origin.asked("/x.iso")[1].headers
    assert names() == ["x.iso"] and (away / "x.iso").read_bytes() == DATA


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
    assert "range" in origin.asked("/x.iso")[-1].headers and names() == ["x.iso"]


def test_an_interrupted_one_to_standard_output_leaves_nothing(start, origin, away, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(away))
    gate = Gate(after=20000)
    origin.put("/x.iso", DATA, script=[gate])
    getting = start("get", "-o", "-", origin.url("/x.iso"))
    until(gate.reached.is_set)
    getting.send_signal(signal.SIGINT)
    assert getting.wait(30) == 130 and getting.stdout.read() == b"" and names() == []


def test_a_download_that_another_get_makes_is_refused(start, run, origin, away):
    origin.put("/x.iso", DATA, script=[Gate(after=20000)])
    start("get", origin.url("/x.iso"))
    until(lambda: is_here(away / "x.iso.part", 20000))
    code, out, err = run("get", origin.url("/x.iso"))
    assert (code, out) == (1, "") and "in use by another dlserv" in err
    assert {".db", ".part"} <= {os.path.splitext(name)[1] for name in names()}


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
    assert names() == ["empty.bin", "large.iso", "small.txt", "x.iso"]


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
    assert "is here already" in run("get", origin.url("/link"))[2] and names() == ["real.iso"]


@pytest.mark.parametrize("change", ["shorter", "first", "middle", "last", "empty"])
def test_another_file_is_left_alone_and_the_new_one_renamed(run, origin, away, change):
    origin.put("/x.iso", LARGE)
    other = {"shorter": LARGE[:-1], "first": b"?" + LARGE[1:], "last": LARGE[:-1] + b"?", "empty": b"",
             "middle": LARGE[:250000] + bytes(100000) + LARGE[350000:]}[change]
    (away / "x.iso").write_bytes(other)
    assert run("get", origin.url("/x.iso")) == (0, "x (1).iso\n", "")
    assert (away / "x.iso").read_bytes() == other and (away / "x (1).iso").read_bytes() == LARGE
    assert names() == ["x (1).iso", "x.iso"]


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
    assert (code, out) == (0, "x.iso\n") and "is here already" in err and names() == ["x.iso"]
    (away / "x.iso").write_bytes(DATA)
    assert run("get", origin.url("/x.iso")) == (0, "x (1).iso\n", "")


def test_ftp_files_are_looked_at_as_well(run, away):
    with Ftpd({"x.iso": LARGE}) as server:
        assert run("get", server.url("/x.iso")) == (0, "x.iso\n", "")
        assert "is here already" in run("get", server.url("/x.iso"))[2] and names() == ["x.iso"]
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
        assert "is here already" in run("get", "-k", server.url("/x.iso"))[2] and names() == ["x.iso"]


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
    assert (away / "x.iso").read_bytes() == DATA and names() == ["x.iso"]


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
    assert (code, out) == (1, "") and "x.iso is there already" in err and names() == ["x.iso"]
    (away / "x.iso").write_bytes(DATA)
    assert run("get", origin.url("/x.iso"))[0] == 0

"""get: download here and now, as people who know wget, curl and aria2c type it."""

import base64
import hashlib
import os
import subprocess

import pytest

from forks import DLSERV
from harness import listing, noise, until
from servers.origin import Gate, drop, refuse

DATA = noise(50000)
LARGE = noise(500000)


# -- where it goes --------------------------------------------------------------------------

def test_it_downloads_into_this_folder_without_a_daemon(run, origin, away):
    origin.put("/x.iso", DATA)
    origin.put("/y.iso", DATA + b"y")
    assert run("get", origin.url("/x.iso"), origin.url("/y.iso")) == (0, "x.iso\ny.iso\n", "")
    assert (away / "x.iso").read_bytes() == DATA and listing() == ["x.iso", "y.iso"]


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
    assert not [name for name in listing((away / path).parent) if name.startswith(".dlserv")]


def test_a_folder_that_is_there_takes_the_file(run, origin, away):
    origin.put("/x.iso", DATA)
    (away / "isos" / "new").mkdir(parents=True)
    for arguments, folder in ((["-o", "isos"], "isos"), (["-P", "isos", "-O", "new"], "isos/new")):
        assert run("get", *arguments, origin.url("/x.iso"))[1] == os.path.join(folder, "x.iso\n")


def test_a_folder_that_cannot_be_is_told(run, origin, away):
    origin.put("/x.iso", DATA)
    (away / "file").write_text("mine")
    code, out, err = run("get", "-d", "file/x", origin.url("/x.iso"))
    assert (code, out, err.count("\n")) == (1, "", 1) and "file/x" in err and listing() == ["file"]


def test_an_absolute_path_is_where_the_file_goes(run, origin, away, tmp_path):
    origin.put("/x.iso", DATA)
    target = str(tmp_path / "elsewhere" / "z.iso")
    assert run("get", "-d", "ignored", "-o", target, origin.url("/x.iso")) == (0, target + "\n", "")
    assert listing(tmp_path / "elsewhere") == ["z.iso"] and listing() == []


@pytest.mark.parametrize("arguments", [
    ["-o", "-"], ["-O", "-"], ["-qO-"], ["--output-document=-"], ["-o", "-", "-q"]])
def test_the_file_goes_to_standard_output(run, origin, away, arguments):
    origin.put("/x.iso", DATA)
    origin.put("/y.iso", LARGE)
    code, out, err = run("get", *arguments, origin.url("/x.iso"), binary=True)
    assert (code, err) == (0, "") and out == DATA and listing() == []
    code, out, err = run("get", origin.url("/y.iso"), origin.url("/x.iso"), *arguments, binary=True)
    assert (code, err) == (0, "") and out == LARGE + DATA and listing() == []


def test_standard_output_gets_nothing_that_is_not_whole(run, origin, away, monkeypatch, tmp_path):
    monkeypatch.setenv("DLSERV_RETRIES", "0")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "away"))
    origin.put("/x.iso", DATA, script=[drop(20000)])
    code, out, err = run("get", "-o", "-", origin.url("/x.iso"))
    assert (code, out) == (1, "") and err.startswith("dlserv: ") and listing() == []
    code, out, err = run("get", "-o", "-", origin.url("/x.iso"), "--checksum", "md5:" + "0" * 32)
    assert (code, out) == (1, "") and "checksum" in err and listing() == []


def test_a_reader_that_has_enough_of_the_file_ends_it(origin, away):
    origin.put("/x.iso", noise(5000000))
    script = 'exec 3>&1; { "$@"; echo $? >&3; } | head -c 3 >/dev/null'
    command = DLSERV + ["get", "-o", "-", origin.url("/x.iso")]
    done = subprocess.run(["sh", "-c", script, "sh"] + command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    assert (done.stdout, done.stderr) == (b"0\n", b"") and listing() == []


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
    assert (away / "gone.iso").read_bytes() == DATA and listing() == ["gone.iso"]


@pytest.mark.parametrize("form", ["sha256:%s", "sha-256=%s", "sha256=%s"])
def test_a_checksum_is_verified(run, origin, away, form):
    origin.put("/x.iso", DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    assert run("get", "--checksum", form % digest, origin.url("/x.iso")) == (0, "x.iso\n", "")
    code, out, err = run("get", "--checksum", form % ("0" * 64), "-o", "y.iso", origin.url("/x.iso"))
    assert (code, out) == (1, "") and "checksum" in err and listing() == ["x.iso"]


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
    assert sorted(getting.stdout.read().decode().split()) == ["0.iso", "1.iso", "2.iso"] == listing()


def test_one_that_fails_does_not_stop_the_others(run, origin, away):
    origin.put("/gone.iso", DATA, script=[refuse("404 Not Found")])
    for name in "abc":
        origin.put("/%s.iso" % name, DATA + name.encode())
    wanted = [origin.url("/%s.iso" % name) for name in ("a", "gone", "b", "c")]
    code, out, err = run("get", "-j", "4", *wanted)
    assert code == 1 and sorted(out.split()) == ["a.iso", "b.iso", "c.iso"] and err.count("\n") == 1
    assert listing() == ["a.iso", "b.iso", "c.iso"]


@pytest.mark.parametrize("arguments, flag", [
    (["-j", "many"], "-j"), (["--jobs", "0"], "--jobs"), (["-x", "0"], "-x"),
    (["--limit-rate", "fast"], "--limit-rate")])
def test_a_wrong_flag_downloads_nothing(run, origin, away, arguments, flag):
    code, out, err = run("get", *arguments, origin.url("/x.iso"))
    assert (code, out, listing()) == (2, "", []) and err.startswith("dlserv: %s: " % flag)


def test_a_url_without_a_scheme_is_told(run, away):
    code, out, err = run("get", "example.org/x.iso")
    assert (code, out) == (2, "") and "did you mean https://example.org/x.iso?" in err
    assert run("get", "nonsense")[0] == 2 and run("get")[0] == 2 and listing() == []


def test_settings_of_downloads_count(run, origin, away, monkeypatch, tmp_path):
    monkeypatch.setenv("DLSERV_USER_AGENT", "mine/1")
    origin.put("/x.iso", DATA)
    run("get", origin.url("/x.iso"))
    assert origin.asked("/x.iso")[0].headers["user-agent"] == "mine/1"
    (tmp_path / "c.json").write_text('{"download": {"user_agent": "file/1"}}')
    monkeypatch.delenv("DLSERV_USER_AGENT")
    assert run("-c", str(tmp_path / "c.json"), "get", "-c", "-o", "y", origin.url("/x.iso"))[0] == 0
    assert origin.asked("/x.iso")[-1].headers["user-agent"] == "file/1"

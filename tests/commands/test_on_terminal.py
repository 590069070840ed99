"""The commands as people see them: on a pseudo-terminal of 80 and 120 columns, and narrower ones."""

import contextlib
import json
import os
import re
import signal
import time
from http.server import BaseHTTPRequestHandler

import pytest

from harness import noise, until
from servers.background import Background
from servers.origin import Gate, paced, refuse

from dlserv import Server
from dlserv.tasks.views import row

pytest.importorskip("fcntl")
from display import OnTerminal  # noqa: E402

NOWHERE = "http://127.0.0.1:1/"
DATA = noise(50000)


# -- list -----------------------------------------------------------------------------------

@pytest.mark.parametrize("columns", [120, 80, 40, 24])
def test_a_list_fits(here, columns):
    here.add(NOWHERE + "a-very-long-name-" * 8, {"paused": True})
    here.add(NOWHERE + "漢字" * 40, {"paused": True})
    with OnTerminal(["list"], columns) as shown:
        assert shown.end() == 0
    lines = shown.display.text.splitlines()
    assert len(lines) == 3 and lines[0].startswith("ID") and lines[0].endswith("NAME")
    assert all(("paused" in line) == (columns > 24) for line in lines[1:])
    assert "a-very" in lines[1] and "漢字" in lines[2] and columns - 3 <= shown.display.widest < columns
    assert ("\x1b[33mpaused" in shown.display.raw) == (columns > 24)


@pytest.mark.parametrize("columns", [120, 80])
def test_a_list_tells_names_sizes_and_reasons(here, origin, columns):
    reason = "the server answered 404 Not Found"
    origin.put("/half.iso", DATA, script=[Gate(after=20000)])
    origin.put("/film.mkv", DATA)
    origin.put("/film.srt", DATA)
    origin.put("/gone.iso", DATA, script=[refuse("404 Not Found")])
    for name in ("/film.mkv", "/film.srt", "/gone.iso"):
        here.wait(here.add(origin.url(name)))
    half = here.add(origin.url("/half.iso"), {"connections": 1})
    here.add(NOWHERE + "later.zip", {"paused": True})
    until(lambda: here.get(half).downloaded == 20000)
    with OnTerminal(["list"], columns) as shown:
        assert shown.end() == 0
    lines = shown.display.text.splitlines()
    assert shown.display.widest < columns and len(lines) == 7
    assert re.search(r"(?m)downloading +40\.0% +19\.5 of 48\.8 KiB .*half\.iso$", shown.display.text)
    assert re.search(r"(?m)finished +100\.0% +48\.8 KiB .*film\.mkv$", shown.display.text)
    assert "film.srt" in shown.display.text and "later.zip" in shown.display.text
    failed = next(index for index, line in enumerate(lines) if "gone.iso" in line)
    assert " failed " in lines[failed] and lines[failed + 1].strip() == reason
    with OnTerminal(["list", "failed"], columns) as shown:
        assert shown.end() == 0
    assert len(shown.display.text.splitlines()) == 3 and reason in shown.display.text


@pytest.mark.parametrize("columns", [120, 80, 40])
def test_a_long_reason_is_wrapped_and_whole(here, origin, columns):
    here.wait(here.add("https://127.0.0.1:1/x", {"retries": 0, "proxy": "http://%s.invalid:1" % ("x" * 50)}))
    reason = here.list()[0].error
    with OnTerminal(["list"], columns) as shown:
        assert shown.end() == 0
    assert shown.display.widest < columns
    below = shown.display.text.split("\n", 2)[2]
    assert "".join(below.split()) == "".join(reason.split())


def test_columns_that_are_empty_leave_their_room_to_the_name(here):
    here.add(NOWHERE + "x" * 60, {"paused": True})
    with OnTerminal(["list"], 100) as shown:
        assert shown.end() == 0
    assert "x" * 60 in shown.display.text and "SPEED" not in shown.display.text


def test_no_color_and_dumb_terminals_get_none(here):
    here.add(NOWHERE, {"paused": True})
    for environ in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        with OnTerminal(["list"], 80, **environ) as shown:
            assert shown.end() == 0 and "\x1b" not in shown.display.raw and "paused" in shown.display.text


def test_a_person_is_told_what_was_done(here):
    with OnTerminal(["add", "--paused", NOWHERE + "x.iso"], 80) as shown:
        assert shown.end() == 0
    tid = here.list()[0].tid
    assert shown.display.text == "%s %sx.iso" % (tid[:8], NOWHERE)
    for command, words in ((["set", "x.iso", "ratelimit=1M"], "1 task changed"),
                           (["rm", tid], "1 task removed"), (["list"], "there are no tasks"),
                           (["list", "paused"], "there are no tasks in this state"),
                           (["pause", "all"], "0 tasks paused")):
        with OnTerminal(command, 80) as shown:
            assert shown.end() == 0 and shown.display.text == words


# -- help and errors ------------------------------------------------------------------------

@pytest.mark.parametrize("columns", [120, 80])
def test_the_overview_fits_and_begins_with_the_commands(columns):
    with OnTerminal(["--help"], columns, 80) as shown:
        assert shown.end() == 0
    places = [shown.display.text.index(word) for word in ("commands:", "examples:", "--port")]
    assert places == sorted(places) and shown.display.widest < columns


@pytest.mark.parametrize("arguments, code, words", [
    (["lst"], 2, "did you mean list?"), (["add", "--limt", "1M", NOWHERE], 2, "did you mean --limit?"),
    (["stats", "--url", "http://127.0.0.1:1"], 3, '"dlserv serve" starts one')])
def test_what_went_wrong_is_a_sentence(arguments, code, words):
    with OnTerminal(arguments, 120) as shown:
        assert shown.end() == code
    assert words in shown.display.text and "Traceback" not in shown.display.text


def test_openurl_opens_the_page_where_there_is_a_desktop(here, tmp_path):
    opener = tmp_path / "xdg-open"
    opener.write_text("#!/bin/sh\necho \"$1\" > %s/opened\n" % tmp_path)
    opener.chmod(0o755)
    path = "%s:%s" % (tmp_path, os.environ["PATH"])
    address = os.environ["DLSERV_URL"] + "/"
    for environ, arguments in (({}, []), ({"DISPLAY": ":0"}, ["--print"])):
        with OnTerminal(["openurl"] + arguments, 80, PATH=path, **environ) as shown:
            assert shown.end() == 0 and shown.display.text == address
    assert not (tmp_path / "opened").exists()
    with OnTerminal(["openurl"], 80, PATH=path, DISPLAY=":0") as shown:
        assert shown.end() == 0 and shown.display.text == address
        until(lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text() == address + "\n")


# -- watch ----------------------------------------------------------------------------------

@pytest.mark.parametrize("columns", [120, 80, 40])
def test_watch_redraws_in_place(here, origin, columns):
    gate = Gate(after=20000)
    origin.put("/x.iso", DATA, script=[gate])
    here.add(NOWHERE + "waits.zip", {"paused": True})
    tid = here.add(origin.url("/x.iso"), {"connections": 1})
    with OnTerminal(["watch"], columns) as shown:
        text = shown.shows("x.iso", "████░░░░░░░", "40.0%", "waits.zip", "paused")
        assert ("SPEED" in text) == ("19.5 of 48.8 KiB" in text) == (columns >= 80)
        assert text.splitlines()[0].endswith("1 downloading, 1 paused")
        assert not shown.display.cursor
        gate.open()
        here.wait(tid)
        text = shown.shows("100.0%", "1 paused, 1 finished")
        assert len(text.splitlines()) == 4      # it has not been written below
        here.delete(tid)
        until(lambda: "x.iso" not in shown.display.text)
        shown.type(b"q")
        assert shown.end() == 0 and shown.is_as_it_was and shown.display.widest < columns
        assert "waits.zip" in shown.display.text        # and the last drawing stays


@pytest.mark.parametrize("columns", [120, 80])
def test_watch_tells_an_unknown_size_and_why_a_task_failed(here, origin, columns):
    origin.put("/stream", DATA, script=[Gate(after=20000, sized=False)])
    origin.put("/gone.iso", DATA, script=[refuse("404 Not Found")])
    here.wait(here.add(origin.url("/gone.iso")))
    here.add(origin.url("/stream"))
    with OnTerminal(["watch"], columns) as shown:
        text = shown.shows("19.5 KiB so far", "the server answered 404 Not Found", "1 downloading, 1 failed")
        assert re.search(r"stream +░*██░* +– .*– +19\.5 KiB so far", text), text
        shown.type(b"q")
        assert shown.end() == 0 and shown.display.widest < columns


@pytest.mark.parametrize("how, code", [(b"\x03", 130), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_however_watch_ends_the_terminal_is_as_it_was(here, how, code):
    here.add(NOWHERE, {"paused": True})
    with OnTerminal(["watch"], 80) as shown:
        shown.shows("paused")
        shown.type(how) if isinstance(how, bytes) else shown.popen.send_signal(how)
        assert shown.end() == code and shown.is_as_it_was
        assert "Traceback" not in shown.display.raw


def test_watch_can_be_stopped_and_continued(here):
    tid = here.add(NOWHERE, {"paused": True})
    with OnTerminal(["watch"], 80, through=["env"]) as shown:       # a child, of whose stop we are told
        shown.shows("paused")
        shown.type(b"\x1a")
        until(lambda: os.waitid(os.P_PID, shown.popen.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT))
        until(lambda: shown.is_as_it_was)
        shown.popen.send_signal(signal.SIGCONT)
        here.delete(tid)
        shown.shows("no tasks")
        assert not shown.is_as_it_was
        shown.type(b"q")
        assert shown.end() == 0 and shown.is_as_it_was


def test_watch_in_the_background_leaves_the_terminal_alone(here):
    tid = here.add(NOWHERE, {"paused": True})
    with OnTerminal(["watch"], 240, through=["sh", "-mc", '"$@" & echo $!; wait $!', "sh"]) as shown:
        shown.shows(tid + "\tpaused")
        assert "\x1b" not in shown.display.raw and shown.is_as_it_was
        os.kill(int(shown.display.lines[0]), signal.SIGTERM)
        assert shown.end() == 143


def test_watch_fits_a_low_terminal_and_a_new_size(here):
    for number in range(30):
        here.add("%s%d" % (NOWHERE, number), {"paused": True})
    with OnTerminal(["watch"], 80, 10) as shown:
        assert len(shown.shows("and 25 more").splitlines()) == 8
        shown.resize(40, 20)
        shown.shows("and 15 more")
        assert "SPEED" not in shown.display.text.splitlines()[-17]
        shown.type(b"q")
        assert shown.end() == 0


def test_watch_says_that_the_connection_is_lost_and_comes_back(here, daemon):
    here.add(NOWHERE, {"paused": True})
    with Server(daemon, "127.0.0.1", 0) as server:
        address, port = server.url, server.server_address[1]
        watching = OnTerminal(["watch", "--url", address], 80)
        watching.shows("paused")
    with watching as shown:
        shown.shows("connection is lost")
        with Server(daemon, "127.0.0.1", port):
            until(lambda: "connection is lost" not in shown.display.text)
            shown.type(b"q")
            assert shown.end() == 0


def test_watch_shows_a_state_of_a_newer_daemon_last(here):
    here.add(NOWHERE, {"paused": True})
    rows = [row(task) for task in here.list()]
    new = dict(rows[0], tid="f" * 40, name="new.iso", state="archived")

    class Newer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            data = json.dumps({"detail": [new, *rows]})
            self.wfile.write(f"event: snapshot\ndata: {data}\n\n".encode())
            server.closing.wait(20)

        def log_message(self, *arguments):
            pass

    with Background(("127.0.0.1", 0), Newer) as server:
        with OnTerminal(["watch", "--url", "http://127.0.0.1:%d" % server.server_address[1]], 80) as shown:
            text = shown.shows("archived", "paused")
            assert text.rindex("paused") < text.rindex("archived")
            shown.type(b"q")
            assert shown.end() == 0


# -- wait -----------------------------------------------------------------------------------

@pytest.mark.parametrize("columns", [120, 80])
def test_add_and_wait_shows_bars(here, origin, columns):
    gate = Gate(after=20000)
    origin.put("/x.iso", DATA, script=[gate])
    with OnTerminal(["add", "--wait", "--connections", "1", origin.url("/x.iso")], columns) as shown:
        shown.shows("████░░░░░░░", "19.5 of 48.8 KiB")
        gate.open()
        assert shown.end() == 0 and shown.is_as_it_was
    assert re.search("x.iso +finished +100.0%", shown.display.text)


@pytest.mark.parametrize("keys", [b"\x03", b"q"])
def test_who_stops_waiting_is_told_that_the_daemon_goes_on(here, origin, keys):
    origin.put("/x.iso", DATA, script=[Gate(after=20000)])
    with OnTerminal(["add", "--wait", origin.url("/x.iso")], 80) as shown:
        shown.shows("40.0%")
        shown.type(keys)
        assert shown.end() == 130 and shown.is_as_it_was
    assert shown.display.text.splitlines()[-1].endswith("the daemon goes on with the downloads")
    assert here.list()[0].state == "downloading"


# -- get ------------------------------------------------------------------------------------

@pytest.mark.parametrize("columns", [120, 80, 40])
def test_get_shows_a_bar(origin, tmp_path, columns):
    gate = Gate(after=20000)
    origin.put("/x.iso", DATA, script=[gate])
    arguments = ["get", "-d", str(tmp_path), "--connections", "1", origin.url("/x.iso")]
    with OnTerminal(arguments, columns) as shown:
        shown.shows("x.iso", "████░░░░░░░", "40.0%", *["19.5 of 48.8 KiB"] * (columns >= 80))
        gate.open()
        assert shown.end() == 0 and shown.is_as_it_was and shown.display.widest < columns
    assert re.fullmatch(r"x\.iso +finished +100\.0%.*", shown.display.text)
    assert (tmp_path / "x.iso").read_bytes() == DATA


@pytest.mark.parametrize("columns", [120, 80])
def test_get_tells_an_unknown_size_with_a_bar_that_moves(origin, tmp_path, columns):
    gate = Gate(after=20000, sized=False)
    origin.put("/x.iso", DATA, script=[gate])
    with OnTerminal(["get", "-d", str(tmp_path), origin.url("/x.iso")], columns) as shown:
        shown.shows("19.5 KiB so far", "–")
        bars = set()
        until(lambda: (bars.add(re.search("[░█]{11}", shown.display.text).group()), len(bars) > 2)[1])
        gate.open()
        assert shown.end() == 0
    assert re.fullmatch(r"x\.iso +finished +100\.0% .*48\.8 KiB", shown.display.text)


def test_get_says_what_it_waits_for_and_how_long(origin, tmp_path):
    origin.put("/x.iso", DATA, script=[refuse("503 Busy", Retry_After="3")] * 2)
    with contextlib.ExitStack() as terminals:
        both = [terminals.enter_context(OnTerminal(["get", "-d", str(tmp_path / str(columns)), origin.url("/x.iso")],
                                                   columns)) for columns in (120, 80)]
        for shown in both:
            text = shown.shows("503 Service Unavailable")
            assert re.match(r"x\.iso +queued.*\n.* the next try is in [123] s$", text)
            assert shown.display.widest < shown.display.columns
        for shown in both:
            assert shown.end() == 0
            assert re.fullmatch(r"x\.iso +finished +100\.0%.*", shown.display.text)


def test_get_shows_a_bar_for_each_of_several(origin, tmp_path):
    gates = [Gate(after=20000), Gate(after=20000)]
    for name, gate in zip("ab", gates):
        origin.put("/%s.iso" % name, DATA, script=[gate])
    origin.put("/gone.iso", DATA, script=[refuse("404 Not Found")])
    arguments = ["get", "-j", "3", "-d", str(tmp_path), "-x", "1"] + [
        origin.url("/%s.iso" % name) for name in ("a", "gone", "b")]
    with OnTerminal(arguments, 120) as shown:
        shown.shows("a.iso ", "b.iso ", "404 Not Found")
        until(lambda: shown.display.text.count("40.0%") == 2)
        gates[1].open()
        shown.shows("finished")
        gates[0].open()
        assert shown.end() == 1 and shown.is_as_it_was
    lines = shown.display.text.splitlines()
    assert [line.split()[0] for line in lines] == ["dlserv:", "b.iso", "a.iso"]
    assert lines[1].split()[1] == lines[2].split()[1] == "finished"


@pytest.mark.parametrize("to", ["path", "bytes"])
def test_a_bar_leaves_standard_output_to_the_pipe(origin, tmp_path, to):
    origin.put("/x.iso", DATA, script=[paced(200000)])
    arguments = ["get", "-d", str(tmp_path)] + ["-o", "-"] * (to == "bytes") + [origin.url("/x.iso")]
    with open(str(tmp_path / "out"), "wb") as out, OnTerminal(arguments, 80, out=out) as shown:
        assert shown.end() == 0
    expected = DATA if to == "bytes" else b"%s/x.iso\n" % str(tmp_path).encode()
    assert (tmp_path / "out").read_bytes() == expected and "finished" in shown.display.text


def test_get_leaves_a_whole_file_alone_and_says_so(origin, tmp_path):
    origin.put("/x.iso", DATA)
    (tmp_path / "x.iso").write_bytes(DATA)
    with OnTerminal(["get", "-d", str(tmp_path), origin.url("/x.iso")], 240) as shown:
        assert shown.end() == 0
    assert shown.display.text == (
        "dlserv: %s/x.iso is here already, and whole; --overwrite downloads it again" % tmp_path)
    assert os.listdir(str(tmp_path)) == ["x.iso"]


def test_get_says_that_it_has_replaced_a_file(origin, tmp_path):
    origin.put("/x.iso", DATA)
    (tmp_path / "x.iso").write_bytes(b"another")
    with OnTerminal(["get", "--overwrite", "-d", str(tmp_path), origin.url("/x.iso")], 80) as shown:
        assert shown.end() == 0
    assert re.fullmatch(r"x\.iso +finished +100\.0%.*", shown.display.text)
    assert os.listdir(str(tmp_path)) == ["x.iso"] and (tmp_path / "x.iso").read_bytes() == DATA


def test_get_is_interrupted_from_the_keyboard(origin, tmp_path):
    origin.put("/x.iso", DATA, script=[Gate(after=20000)])
    with OnTerminal(["get", "-d", str(tmp_path), origin.url("/x.iso")], 80) as shown:
        shown.shows("40.0%")
        began = time.monotonic()
        shown.type(b"\x03")
        assert shown.end() == 130 and shown.is_as_it_was and time.monotonic() - began < 10
    assert shown.display.text.splitlines()[-1].endswith("the same command goes on from where it was")

"""The archive: what it keeps, what it refuses, by which ways in, and what survives a crash."""

import contextlib
import hashlib
import json
import os
import random
import subprocess
import threading
import time
import tracemalloc

import pytest

from aria2 import Refused as RpcFailure, Rpc
from dlserv import Client, Daemon, cli
from dlserv.automation.watch import Watch
from dlserv.contract import tid_of
from dlserv.errors import Archived, Refused
from dlserv.state.store import Store
from dlserv.tasks.archive import Buckets, Entry
from forks import DLSERV
from harness import noise, until
from servers.origin import accept_and_sleep

DATA = noise(3000)
SHA = hashlib.sha256(DATA).hexdigest()
SENTENCE = "this URL was downloaded on %s; post repeat=true to have it again"


@pytest.fixture
def settings(settings):
    settings["general"]["archive"] = True
    return settings


@pytest.fixture
def serve(origin):
    """A function that serves DATA under a path and returns the URL."""
    def serve(path="/a.bin", **options):
        origin.put(path, DATA, **options)
        return origin.url(path)
    return serve


def had(daemon, url, **options):
    """Download the URL and delete its task; return the tid."""
    tid = daemon.add(url, options)
    assert daemon.wait(tid, 15).state == "finished"
    daemon.delete(tid, del_file=True)
    return tid


def tids(daemon):
    return [entry.tid for entry in daemon.archive.list()]


def today():
    return time.strftime("%Y-%m-%d")


# -- what is kept and refused -------------------------------------------------------------------

@pytest.mark.parametrize("options, sha", [({}, None), ({"checksum": "sha-256=" + SHA}, SHA), (
    {"checksum": "md5=" + hashlib.md5(DATA).hexdigest()}, None)])
def test_a_url_that_was_downloaded_is_refused_with_the_day(api, daemon, serve, options, sha):
    url, before = serve(), time.time()
    tid = had(daemon, url, **options)
    answer = api.post("/task", {"url": " %s " % url})
    assert (answer.status, answer["code"], answer["tid"]) == (409, "archived", tid)
    assert answer["errmsg"] == SENTENCE % today()
    listed = api.get("/archive")
    assert listed["status"] == "success" and listed["count"] == 1
    entry, = listed["detail"]
    assert before - 1 < entry.pop("time") < time.time() + 1
    assert entry == {"tid": tid, "size": len(DATA), "sha256": sha}
    assert url not in listed.body.decode()


@pytest.mark.parametrize("way", ["option", "query", "form", "form's query", "batch", "batch's query", "legacy"])
def test_repeat_has_it_downloaded_again_by_every_way_in(api, daemon, serve, way):
    url = serve()
    tid = had(daemon, url)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = {
        "option": lambda: api.post("/task", {"url": url, "options": {"repeat": True}}),
        "query": lambda: api.post("/task?repeat=true", {"url": url}),
        "form": lambda: api.request("POST", "/task", ("url=%s&repeat=true" % url).encode(), form),
        "form's query": lambda: api.request("POST", "/task?repeat=1", ("url=%s" % url).encode(), form),
        "batch": lambda: api.post("/task/batch/add", {"tasks": [{"url": url, "options": {"repeat": True}}]}),
        "batch's query": lambda: api.post("/task/batch/add?repeat=yes", {"tasks": [url]}),
        "legacy": lambda: api.post("/task", {"url": url, "ydl_opts": {"repeat": True}}),
    }[way]()
    assert answer.status == 200 and tid in (answer.json.get("tid"), (answer.json.get("tids") or [None])[0])
    assert daemon.wait(tid, 15).state == "finished"
    daemon.delete(tid)
    assert tids(daemon) == [tid], "one entry for one URL"


@pytest.mark.parametrize("query", ["maybe", "", "2"])
def test_a_repeat_that_is_no_boolean_is_a_400(api, serve, query):
    answer = api.post("/task?repeat=" + query, {"url": serve()})
    assert (answer.status, answer["key"]) == (400, "repeat")
    assert api.post("/task", {"url": serve(), "options": {"repeat": "perhaps"}}).status == 400


def test_repeat_false_is_refused_like_none(api, daemon, serve):
    url = serve()
    had(daemon, url)
    assert api.post("/task?repeat=false", {"url": url}).status == 409
    assert api.post("/task", {"url": url, "options": {"repeat": False}}).status == 409
    tid = api.post("/task?repeat=true", {"url": url})["tid"]
    answer = api.request("PATCH", "/task/tid/" + tid, {"options": {"repeat": True}})
    assert (answer.status, answer["key"]) == (400, "options.repeat")


def test_only_finished_files_are_remembered(daemon, origin, serve):
    gone, paused = daemon.add(origin.url("/none")), daemon.add(serve("/p.bin"), {"paused": True})
    running = daemon.add(serve("/r.bin", script=[accept_and_sleep] * 9))
    assert daemon.wait(gone, 15).state == "invalid"
    again = daemon.add(serve("/again.bin"))
    assert daemon.wait(again, 15).state == "finished"
    origin.files["/again.bin"].script = [accept_and_sleep] * 9
    daemon.refresh(again)
    daemon.delete_all([gone, paused, running, again])
    assert tids(daemon) == [again], "a file that is refreshed was downloaded"


def test_a_repeated_download_that_is_given_up_stays_known(daemon, serve, origin):
    url = serve()
    tid = had(daemon, url)
    origin.files["/a.bin"].script = [accept_and_sleep] * 9
    daemon.add(url, {"repeat": True})
    daemon.delete(tid)
    with pytest.raises(Archived):
        daemon.add(url)


def test_nothing_is_kept_or_checked_while_it_is_off(settings, serve):
    settings["general"]["archive"] = False
    with Daemon(settings) as daemon:
        url = serve()
        for _ in range(2):
            had(daemon, url)
        assert tids(daemon) == []
        daemon.configure({"general": {"archive": True}})
        tid = had(daemon, url)
        daemon.configure({"general": {"archive": False}})
        other = had(daemon, serve("/b.bin"))
        assert tids(daemon) == [tid] and had(daemon, url) == tid, "what is there stays, and is not asked"
        daemon.configure({"general": {"archive": True}})
        assert daemon.add(serve("/b.bin")) == other
        with pytest.raises(Archived):
            daemon.add(url)


# -- how much is kept ---------------------------------------------------------------------------

def test_the_oldest_go_first_beyond_the_size(settings, serve):
    settings["general"]["archive_size"] = 3
    with Daemon(settings) as daemon:
        made = [daemon.add(serve("/%d" % number)) for number in range(6)]
        for tid in made:
            assert daemon.wait(tid, 15).state == "finished"
        order = sorted(made, key=lambda tid: daemon.get(tid).finish_time)
        daemon.delete(order[3])
        assert tids(daemon) == [order[3]]
        daemon.delete_all(order[:3] + order[4:])
        assert tids(daemon) == order[3:] and daemon.archive.count() == 3
        daemon.configure({"general": {"archive_size": 1}})
        assert tids(daemon) == order[5:]
    settings["general"]["archive_size"] = 5
    with Daemon(settings) as daemon:
        assert tids(daemon) == order[5:], "what was left out is left out on disk"


def test_buckets_are_what_a_plain_dict_would_be():
    dice, buckets, plain, stored = random.Random(3), Buckets(), {}, {}
    known = [hashlib.sha1(b"%d" % number).hexdigest() for number in range(300)]
    known += [known[0][:3] + each[3:] for each in known[1:60]]
    for step in range(6000):
        tid = dice.choice(known)
        if dice.random() < 0.7:
            entry = Entry(float(dice.randrange(10 ** 6)), tid, dice.randrange(2 ** 40), dice.choice([None, "ab" * 32]))
            changes, plain[tid] = buckets.put(entry), entry
            most = dice.choice([150, 10 ** 6])
            changes.update(buckets.trim(most))
            for each in sorted(plain.values())[:max(0, len(plain) - most)]:
                del plain[each.tid]
        else:
            changes = buckets.remove(tid)
            plain.pop(tid, None)
        for name, record in changes.items():
            stored.pop(name, None)
            stored.update({name: record} if record else {})
        assert len(buckets) == len(plain) and buckets.find(tid) == plain.get(tid)
    assert list(buckets.entries()) == sorted(plain.values())
    again = Buckets()
    for name, record in stored.items():
        again.load(name, record)
    assert list(again.entries()) == sorted(plain.values()) and len(again) == len(plain)


def entry_of(number):
    digest = hashlib.sha256(b"%d" % number).hexdigest()
    return Entry(1.7e9 + number, digest[:40], number, digest)


def records_of(buckets, count):
    """Put so many entries into the buckets; return {name: record} of all of them."""
    records = {}
    for number in range(count):
        records.update(buckets.put(entry_of(number)))
    return records


@pytest.fixture(scope="module")
def full():
    """Return Buckets with fifty thousand entries, and their records."""
    buckets = Buckets()
    return buckets, records_of(buckets, 50000)


def test_fifty_thousand_entries_take_under_five_megabytes(full):
    """As after a start, which takes them in from their records."""
    records = [(name, bytearray(record["entries"])) for name, record in full[1].items()]
    tracemalloc.start()
    try:
        buckets = Buckets()
        for name, data in records:
            buckets.load(name, {"entries": data})
        size, _ = tracemalloc.get_traced_memory()
        assert len(buckets) == 50000 and 3 * 10 ** 6 < size < 5 * 10 ** 6
        tracemalloc.reset_peak() if hasattr(tracemalloc, "reset_peak") else None
        assert sum(1 for _ in buckets.entries()) == 50000
        if hasattr(tracemalloc, "reset_peak"):
            assert tracemalloc.get_traced_memory()[1] - size < 3 * 10 ** 6, "a listing holds no second copy"
    finally:
        tracemalloc.stop()


def test_looking_up_and_trimming_a_full_archive_is_quick(full):
    buckets, _ = full
    began = time.process_time()
    for number in range(1000):
        assert buckets.find(hashlib.sha1(b"%d" % number).hexdigest()) is None
    assert time.process_time() - began < 0.5, "a list of 20,000 URLs waits for this"
    began = time.process_time()
    buckets.trim(49900)
    assert len(buckets) == 49900 and time.process_time() - began < 0.5


# -- listing and forgetting ---------------------------------------------------------------------

def test_parts_of_the_archive_are_listed_oldest_first(api, daemon, serve):
    made = [had(daemon, serve("/%d" % number)) for number in range(4)]
    for query, expected in (("", made), ("?limit=2", made[:2]), ("?offset=1&limit=2", made[1:3]),
                            ("?offset=3", made[3:]), ("?offset=9", []), ("?limit=0", []),
                            ("?limit=999999999999999", made), ("?offset=999999999999999&limit=999999999999999", [])):
        answer = api.get("/archive" + query)
        assert (answer.status, answer["count"]) == (200, 4)
        assert [each["tid"] for each in answer["detail"]] == expected
    for query in ("?limit=-1", "?offset=x", "?limit=", "?limit=9999999999999999"):
        assert api.get("/archive" + query).status == 400


def test_an_entry_or_all_can_be_forgotten(api, daemon, serve):
    urls = [serve("/%d" % number) for number in range(3)]
    made = [had(daemon, url) for url in urls]
    assert api.delete("/archive/" + made[1]).json == {"status": "success"}
    assert tids(daemon) == [made[0], made[2]] and api.post("/task", {"url": urls[1]}).status == 200
    for tid in (made[1], "0" * 40, "x", made[0].upper(), "%00", made[0] + "0"):
        answer = api.delete("/archive/" + tid)
        assert (answer.status, answer["code"]) == (404, "not_found")
    answer = api.delete("/archive/all")
    assert (answer.status, answer["count"]) == (200, 2) and api.get("/archive")["detail"] == []
    assert api.delete("/archive/all")["count"] == 0
    assert api.post("/task", {"url": urls[0]}).status == 200
    for method, path in (("PUT", "/archive"), ("GET", "/archive/all"), ("POST", "/archive/" + made[0])):
        assert api.request(method, path, b"{}", {"Content-Type": "application/json"}).status == 405


def test_a_client_lists_and_forgets(api, daemon, serve):
    url = serve()
    tid = had(daemon, url)
    with Client(api.url) as client:
        assert [each["tid"] for each in client.archive()] == [each["tid"] for each in client.archive(0, 5)] == [tid]
        with pytest.raises(Refused) as refusal:
            client.add(url)
        assert (refusal.value.status, refusal.value.code) == (409, "archived")
        assert client.add_all([(url, {})]) == ([], [(url, SENTENCE % today())])
        added = client.add_many([(url, {}), ("nonsense", {})])
        assert added.tids == [] and added.had_already == [(url, SENTENCE % today())] and len(added.refused) == 1
        client.forget(tid)
        assert client.add(url, paused=True) == tid


# -- the other ways in --------------------------------------------------------------------------

def test_a_batch_skips_what_it_had_and_lists_it_apart(api, daemon, serve):
    old, new = serve("/old"), serve("/new")
    had(daemon, old)
    answer = api.post("/task/batch/add", {"tasks": [old, new, {"url": old, "options": {"repeat": True}}]})
    assert answer.status == 200 and answer["status"] == "success"
    assert answer["tids"] == [tid_of(new), tid_of(old)] and answer["had_already"] == [[old, SENTENCE % today()]]
    daemon.delete_all([tid_of(new)])
    answer = api.post("/task/batch/add", {"tasks": [old, "nonsense"]})
    assert answer.status == 207 and [url for url, _ in answer["detail"]] == ["nonsense", old]
    assert "had_already" not in answer.json, "a task that is there is a failure as before"


def test_a_batch_of_nothing_but_old_urls_is_a_success(api, daemon, serve):
    urls = [serve("/%d" % number) for number in range(12)]
    for url in urls:
        had(daemon, url)
    answer = api.post("/task/batch/add", {"tasks": urls})
    assert (answer.status, answer["tids"], len(answer["had_already"])) == (200, [], 12)


@contextlib.contextmanager
def in_words(monkeypatch, api, capsys):
    """A function that runs a command; return (code, output, errors)."""
    monkeypatch.setenv("DLSERV_URL", api.url)

    def run(*arguments):
        try:
            code = cli.main(arguments)
        except SystemExit as end:
            code = end.code
        return (code,) + tuple(capsys.readouterr())
    yield run


def test_commands_skip_refuse_repeat_list_and_forget(api, daemon, serve, tmp_path, monkeypatch, capsys):
    old, older, new = serve("/old"), serve("/older"), serve("/new")
    for url in (older, old):
        had(daemon, url)
    path = tmp_path / "list.txt"
    path.write_text("\n".join([old, new, older]))
    with in_words(monkeypatch, api, capsys) as run:
        assert run("add", "-i", str(path)) == (
            0, tid_of(new) + "\n", "dlserv: 2 had already; --repeat downloads them again\n")
        assert "had already" not in run("add", "-q", "-i", str(path))[2]
        assert run("add", old) == (
            1, "", "dlserv: %s: this URL was downloaded on %s; --repeat downloads it again\n" % (old, today()))
        code, out, _ = run("archive")
        rows = [line.split("\t") for line in out.splitlines()]
        assert code == 0 and [row[0] for row in rows] == [tid_of(older), tid_of(old)] and rows[0][2] == str(len(DATA))
        assert json.loads(run("archive", "--json", old)[1])["tid"] == tid_of(old)
        assert run("archive", new) == (1, "", "")
        assert run("archive", "old")[0] == 2 and run("archive", "--forget")[0] == 2
        assert run("add", "--repeat", old, "--wait")[0] == 0
        assert run("archive", "--forget", old, tid_of(older)[:6])[:2] == (0, "")
        assert run("archive", "--forget", old)[0] == 1
        assert run("archive") == (0, "", "")
        assert run("add", older)[0] == 0
        daemon.wait(tid_of(older), 15)
        daemon.delete(tid_of(older))
        assert run("archive", "--forget", "all") == (0, "", "") and tids(daemon) == []


def test_a_watched_list_skips_what_it_had(daemon, serve, tmp_path, caplog):
    old, new = serve("/old"), serve("/new")
    had(daemon, old)
    box = tmp_path / "in"
    box.mkdir()
    (box / "list.txt").write_text("%s\n%s\n" % (old, new))
    watch = Watch({"dir": str(box), "options": {}}, daemon.add_all)
    with caplog.at_level("INFO", "dlserv"):
        for _ in range(2):
            watch.look()
    assert os.listdir(str(box / "added")) == ["list.txt"] and not (box / "refused").exists()
    assert "list.txt: 1 added, 1 had already" in caplog.text
    assert [task.url for task in daemon.list()] == [new]


def test_aria2_is_told_as_of_any_failure_and_may_overwrite(api, daemon, serve):
    url, rpc = serve(), Rpc(api.url)
    tid = had(daemon, url)
    with pytest.raises(RpcFailure) as failure:
        rpc("aria2.addUri", [url])
    assert failure.value.code == 1 and SENTENCE % today() in str(failure.value)
    for _ in range(2):
        rpc("aria2.addUri", [url], {"allow-overwrite": "true"})
        assert daemon.wait(tid, 15).state == "finished"


def moved(db, folder, *arguments, text=b"", **environ):
    done = subprocess.run(
        DLSERV + ["--db", str(db), "--download-dir", str(folder)]
        + [str(each) for each in arguments], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=dict(os.environ, **environ), timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_an_export_has_it_and_an_import_adds_to_it(settings, serve, folder, tmp_path):
    url = serve()
    with Daemon(settings) as daemon:
        tid = had(daemon, url)
        entry, = daemon.archive.list()
    path = tmp_path / "tasks.json"
    assert moved(settings["general"]["db_path"], folder, "--export", path)[0] == 0
    exported = json.loads(path.read_text())
    assert exported["archive"] == [entry.to_detail()] and exported["tasks"] == [] and url not in path.read_text()
    other = tmp_path / "other.db"
    for wrong in ({"tid": "x"}, {"size": -1}, {"time": "y"}, {"sha256": "ab"}, {"size": 2 ** 70}, None):
        exported["archive"].append(None if wrong is None else dict(entry.to_detail(), **wrong))
    path.write_text(json.dumps(exported))
    code, out, err = moved(other, folder, "--import", path)
    assert (code, out) == (1, "0 imported, 0 there already, 6 left out\n") and err.count("\n") == 6
    settings["general"]["db_path"] = str(other)
    with Daemon(settings) as daemon:
        assert list(daemon.archive.list()) == [entry]
        with pytest.raises(Archived) as refusal:
            daemon.add(url)
        assert refusal.value.tid == tid


def test_an_imported_list_skips_what_the_archive_has(settings, serve, folder, tmp_path):
    old, new = serve("/old"), serve("/new")
    with Daemon(settings) as daemon:
        had(daemon, old)
    db, text = settings["general"]["db_path"], ("%s\n%s\n" % (old, new)).encode()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"general": {"archive": True}}))
    code, out, err = moved(db, folder, "-c", config, "--import", "-", text=text)
    assert (code, out) == (0, "1 imported, 0 there already, 0 left out\n") and "1 had already" in err
    assert moved(db, folder, "-c", config, "--import", "-", text=b"%s\n repeat=true" % old.encode())[1][:1] == "1"


# -- crashes ------------------------------------------------------------------------------------

def test_a_deletion_that_was_acknowledged_is_in_the_archive(process, serve, backend, folder):
    environ = dict(os.environ, DLSERV_DB_BACKEND=backend, DLSERV_ARCHIVE="true")
    running, made = process(environ=environ), []
    for number in range(3):
        url = serve("/%d.bin" % number)
        tid = running.api.add(url)
        running.api.reach(tid, "finished")
        if number == 2:
            answer = running.api.post("/task/batch/delete", {"tids": [tid], "del_file": True})
        else:
            answer = running.api.delete("/task/tid/%s?del_file=%s" % (tid, "true" if number else "false"))
        assert answer.status == 200
        running.kill()
        made.append((url, tid))
        running = process(environ=environ)
        assert [each["tid"] for each in running.api.get("/archive")["detail"]] == [tid for _, tid in made]
        for url, tid in made:
            answer = running.api.post("/task", {"url": url})
            assert (answer.status, answer["tid"]) == (409, tid)
    assert running.api.delete("/archive/" + made[0][1]).status == 200
    running.kill()
    running = process(environ=environ)
    assert [each["tid"] for each in running.api.get("/archive")["detail"]] == [tid for _, tid in made[1:]]
    assert running.api.delete("/archive/all").status == 200
    running.kill()
    assert process(environ=environ).api.get("/archive")["count"] == 0


def test_a_kill_in_a_deletion_has_both_or_neither(process, serve, backend):
    """The entry and the end of the task are one transaction, whichever moment the crash comes at."""
    dice, environ = random.Random(2), dict(os.environ, DLSERV_DB_BACKEND=backend, DLSERV_ARCHIVE="1")
    running = process(environ=environ)
    urls = [serve("/%d.bin" % number) for number in range(40)]
    made = running.api.post("/task/batch/add", {"tasks": urls})["tids"]
    until(lambda: running.api.get("/task/state_coutner")["detail"]["finished"] == len(made))
    left = list(made)
    while left:
        threading.Timer(dice.random() * 0.03, running.popen.kill).start()
        with contextlib.suppress(Exception):
            for start in range(0, len(left), 7):
                running.api.post("/task/batch/delete", left[start:start + 7])
        running.kill()
        running = process(environ=environ)
        left = [each["tid"] for each in running.api.get("/task/list")["detail"]]
        archived = [each["tid"] for each in running.api.get("/archive")["detail"]]
        assert sorted(left + archived) == sorted(made)


@pytest.mark.parametrize("has_snapshot", [True, False])
def test_a_damaged_record_costs_its_entries_at_most(settings, serve, backend, has_snapshot):
    settings["general"]["db_backend"] = backend
    with Daemon(settings) as daemon:
        urls = [serve("/%d" % number) for number in range(5)]
        made = [had(daemon, url) for url in urls]
    damaged = [tid[:3] for tid in made[2:4]]        # which another tid may share
    store = Store(settings["general"]["db_path"], backend)
    store.write({"fact/archive/" + damaged[0]: {"entries": b"short"}, "fact/archive/" + damaged[1]: {}}).wait()
    store.close()
    if not has_snapshot:
        os.remove(settings["general"]["db_path"] + ".snapshot")
    with Daemon(settings) as daemon:
        assert tids(daemon) == (made if has_snapshot else [tid for tid in made if tid[:3] not in damaged])
        if not has_snapshot:
            assert daemon.add(urls[2]) == made[2]


def test_a_deletion_that_cannot_be_stored_leaves_no_entry(process, serve, backend, tmp_path, folder):
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("this system cannot limit the files of a process that runs")
    running = process(environ=dict(os.environ, DLSERV_DB_BACKEND=backend, DLSERV_ARCHIVE="true"))
    url = serve()
    tid = running.api.add(url)
    running.api.reach(tid, "finished")
    hard = resource.prlimit(running.popen.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(running.popen.pid, resource.RLIMIT_FSIZE, (0, hard))
    until(lambda: running.api.post("/task", {"url": serve("/x")}).status == 503)
    assert running.api.delete("/task/tid/" + tid).status == 503
    assert running.api.status(tid)["state"] == "finished" and running.api.get("/archive")["count"] == 0
    resource.prlimit(running.popen.pid, resource.RLIMIT_FSIZE, (hard, hard))
    until(lambda: running.api.get("/health").status == 200)
    assert running.api.delete("/task/tid/" + tid).status == 200 and running.api.get("/archive")["count"] == 1

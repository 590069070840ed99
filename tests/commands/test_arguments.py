"""The meaning of words: tasks by tid, part of a name, URL and state; URLs with their options."""

import json

import pytest

from dlserv.contract import tid_of

NOWHERE = "http://127.0.0.1:1/"


def tids(run, *words):
    """Return (exit code, tids that the words name, standard error)."""
    code, out, err = run("status", "--json", *words)
    return code, [json.loads(line)["tid"] for line in out.splitlines()], err


@pytest.fixture
def films(here):
    """{file name: tid} of paused tasks whose names have much in common."""
    names = ["film.mkv", "film.srt", "Films/film.mkv", "häuser.iso", "abcd.bin", "2024"]
    return {name: here.add("%s%d" % (NOWHERE, number), dict(
        {"filename": name.rpartition("/")[2], "paused": True}, **({"dir": "Films"} if "/" in name else {})))
        for number, name in enumerate(names)}


def test_tasks_are_named_by_tid_prefix_url_state_and_all(three, run):
    a = three[0]
    for word in (a, a.upper(), a[:4], a[:12], NOWHERE + "a.iso", " %sa.iso" % NOWHERE):
        assert tids(run, word) == (0, [a], "")
    for words in (["all"], ["paused"], ["paused", "all", a]):
        assert tids(run, *words) == (0, three, "")
    assert tids(run, a, a[:6]) == (0, [a], "")
    for word in ("finished", "failed", "invalid"):
        assert run("status", word) == (0, "", "")


def test_failed_is_a_word_for_invalid(here, run):
    tid = here.add("http://127.0.0.1:1/x", {"retries": 0})
    here.wait(tid)
    assert tids(run, "failed") == tids(run, "invalid") == (0, [tid], "")


@pytest.mark.parametrize("word, name", [
    ("mkv", None), ("srt", "film.srt"), ("SRT", "film.srt"), ("Films/", "Films/film.mkv"),
    ("film.srt", "film.srt"), ("häus", "häuser.iso"), ("HÄUS", "häuser.iso"), ("abcd", "abcd.bin"),
    ("2024", "2024"), ("24", "2024"), ("iso", "häuser.iso")])
def test_tasks_are_named_by_a_unique_part_of_their_file_name(films, run, word, name):
    code, found, err = tids(run, word)
    if name:
        assert (code, found, err) == (0, [films[name]], "")
    else:
        assert code == 1 and "2 tasks have mkv in their names" in err and "Films/film.mkv" in err


def test_a_whole_name_wins_over_a_part_of_others(here, run):
    one, _ = [here.add(NOWHERE + name, {"filename": name, "paused": True}) for name in ("film", "film.mkv")]
    assert tids(run, "film") == (0, [one], "")


def test_a_word_that_names_no_task_is_told(three, run):
    for word, words in (("abc", "no task abc"), ("finish", "did you mean finished?"),
                        ("paussed", "did you mean paused?"), ("0123456", "no task 0123456"),
                        ("0" * 40, "no task"), (NOWHERE + "z", "no task")):
        code, out, err = run("info", word)
        assert (code, out) == (1, "") and words in err and err.count("\n") == 1


@pytest.mark.parametrize("word", ["", " ", "\t"])
def test_an_empty_word_names_no_task(here, run, word):
    """It is a part of every name, and what a script says whose variable is unset."""
    here.add(NOWHERE, {"paused": True})
    for command in (["rm", word], ["pause", word], ["set", word, "ratelimit=1"], ["list", word]):
        code, out, err = run(*command)
        assert (code, out) == (2, "") and "empty" in err and len(here.list()) == 1


def test_a_word_that_is_no_text_is_told(here, run):
    here.add(NOWHERE, {"paused": True})
    for command in (["rm", "\udcff"], ["status", "http://h/\udcff"], ["add", "http://h/\udcff"]):
        code, out, err = run(*command)
        assert (code, out, err.count("\n")) == (1, "", 1) and "\udcff" not in err
    assert len(here.list()) == 1


def test_an_ambiguous_prefix_is_told(here, run):
    seen, number = {}, 0
    while True:
        tid = tid_of(NOWHERE + str(number))
        if tid[:4] in seen:
            break
        seen[tid[:4]] = NOWHERE + str(number)
        number += 1
    here.add(seen[tid[:4]], {"paused": True})
    here.add(NOWHERE + str(number), {"paused": True})
    code, _, err = run("rm", tid[:4])
    assert code == 1 and "2 tasks begin with " + tid[:4] in err and len(here.list()) == 2
    assert run("rm", tid[:12])[0] == 0 and len(here.list()) == 1


def test_a_name_cannot_steer_the_terminal(here, run):
    for number in range(2):
        here.add("%s%d" % (NOWHERE, number), {"filename": "a\u202eb%d" % number, "paused": True})
    assert "\u202e" not in run("status", "b")[2]


# -- URLs -------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, key, words", [
    (("--connections", "many"), "--connections", "many"), (("-x", "17"), "-x", "16"),
    (("--split", "0"), "--split", "0"),
    (("--limit", "fast"), "--limit", "fast"), (("--limit-rate", "fast"), "--limit-rate", "fast"),
    (("-H", "nonsense"), "-H", "header"), (("--header", "Host: x"), "--header", "Host"),
    (("--checksum", "sha256:ab"), "--checksum", "64"), (("--checksum", "crc:ab"), "--checksum", "crc"),
    (("--proxy", "gopher://p"), "--proxy", ""), (("--mirror", "nonsense"), "--mirror", ""),
    (("--timeout", "soon"), "--timeout", "soon"), (("-T", "0"), "-T", "0"),
    (("--tries", "many"), "--tries", "many"),
    (("--option", "frob=1"), "--option frob", "no such key"),
    (("--option", "conections=1"), "--option conections", "connections"),
    (("--option", "x"), "--option", "name=value"),
    (("--check-certificate", "perhaps"), "--check-certificate", "perhaps"),
    (("-i", "/no/such/list"), "-i", "/no/such/list"),
    (("--input-file", "/no/such/list"), "--input-file", "cannot"),
    (("-o", "x\x07y"), "-o", "control"), (("-o", ""), "-o", "empty"), (("-P", ""), "-P", "empty"),
    (("-o", "a", "-O", "b"), "-O", "already"),
    (("--option", "filename=x", NOWHERE + "b"), "--option filename", "2 downloads"),
    (("-o", "x", NOWHERE + "b"), "-o", "2 downloads"), (("-O", "x", NOWHERE + "b"), "-O", "2 downloads")])
@pytest.mark.parametrize("command", ["add", "get"])
def test_errors_speak_of_the_flag_that_was_typed(here, run, command, arguments, key, words):
    code, out, err = run(command, NOWHERE + "a", *arguments)
    assert (code, out, here.list()) == (2, "", [])
    assert err.startswith("dlserv: %s: " % key) and words in err and err.count("\n") == 1


@pytest.mark.parametrize("text, words", [
    ("  out=x\n", ["list.txt, line 1: ", "no URL"]), ("http://h/\n  out\n", ["'out'"]),
    ("http://h/\n\n http://k/\n", ["'http://k/'"]),
    ("#\nhttp://h/\n outt=x\n", ["list.txt, line 2: options.outt", "no such key"]),
    ("#\n", ["none was given"]),
    ("http://h/\n split=many\n", ["options.connections", "many"])])
def test_a_wrong_list_adds_nothing(here, run, tmp_path, monkeypatch, text, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text(text)
    code, out, err = run("add", "-f", "list.txt", *(["http://g/"] if "none" not in words[0] else []))
    assert (code, out, err.count("\n"), here.list()) == (2, "", 1, [])
    assert all(word in err for word in words), err

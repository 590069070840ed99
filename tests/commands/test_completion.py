"""The completion, in the shells themselves."""

import shutil
import subprocess

import pytest

from harness import ROOT  # noqa: F401

NOWHERE = "http://127.0.0.1:1/"
COMPLETIONS = [(["ad"], "add"), (["add", "--chec"], "--checksum"), (["move", "x", "to"], "top"),
               (["pause", "al"], "all"), (["completion", "z"], "zsh"), (["list", "fini"], "finished"),
               (["--por"], "--port"), (["serve", "--por"], "--port"), (["--log-level", "deb"], "debug"),
               (["-c", "F", "stat"], "status stats"), (["--port", "1", "list", "--js"], "--json"),
               (["config", "download.ratel"], "download.ratelimit="), (["set", "x", "ratel"], "ratelimit="),
               (["add", "--option", "user_"], "user_agent="), (["help", "compl"], "completion"),
               (["serve", "--log-level", "warn"], "warning")]


def shell(name):
    return shutil.which(name) or pytest.skip("there is no %s here: its completion was NOT tested" % name)


def bash(script, *words):
    """Return the completions of the last word."""
    line = " ".join(words)
    code = script + '\nCOMP_WORDS=(%s); COMP_CWORD=%d; _dlserv; printf "%%s\\n" "${COMPREPLY[@]}"' % (
        line, len(words) - 1)
    return subprocess.check_output([shell("bash"), "-c", code]).decode().splitlines()


@pytest.mark.parametrize("words, completed", COMPLETIONS, ids=lambda value: str(value)[:40])
def test_bash_completes(run, words, completed):
    assert bash(run("completion", "bash")[1], "false", *words) == completed.split()


def test_bash_leaves_quoting_file_names_to_readline(run, away):
    (away / "my list.txt").touch()
    assert bash(run("completion", "bash")[1], "false", "add", "-i", "my") == [""]


def test_bash_completes_names_of_tasks_and_never_runs_them(here, run, away):
    """A name comes from a server: $(…) in it is text."""
    here.add(NOWHERE + "1", {"filename": "film 1 $(touch gone).mkv", "paused": True})
    here.add(NOWHERE + "2", {"filename": "film `touch gone`.mkv", "paused": True})
    tid = here.add(NOWHERE + "3", {"filename": "other.iso", "paused": True})
    script = run("completion", "bash")[1]
    program = "'%s/dlserv.py'" % ROOT
    found = bash(script, program, "pause", "film")
    assert found == [r"film\ 1\ \$\(touch\ gone\).mkv", r"film\ \`touch\ gone\`.mkv"]
    assert bash(script, program, "pause", "oth") == ["other.iso"]
    assert bash(script, program, "status", tid[:6]) == [tid]
    assert not (away / "gone").exists()


def test_fish_completes(run):
    script = run("completion", "fish")[1]
    script += "\nfunction dlserv; printf 'ab12\\tpaused\\t0\\t0\\t0\\tmy film\\t\\n'; end"
    wanted = COMPLETIONS + [(["pause", "ab"], "ab12"), (["pause", "my"], "my film")]
    for words, _ in wanted:
        script += '\ncomplete -C "dlserv %s"; echo ---' % " ".join(words)
    found = subprocess.check_output([shell("fish"), "-c", script]).decode().split("---\n")
    for (words, completed), lines in zip(wanted, found):
        expected = [completed] if words[-1] == "my" else completed.split()
        assert sorted(line.split("\t")[0] for line in lines.splitlines()) == sorted(expected), words


def test_zsh_reads_it(run):
    script = "autoload -U compinit; compinit -D; %s\necho $_comps[dlserv]" % run("completion", "zsh")[1]
    assert subprocess.check_output([shell("zsh"), "-fc", script]) == b"_dlserv\n"

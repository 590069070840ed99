"""The command line's grammar: options before and after the command, nearest right words, help."""

from argparse import SUPPRESS

import pytest

from dlserv.commands import parser
from dlserv.commands.catalogue import COMMANDS
from dlserv.errors import InvalidValue
from dlserv.version import __version__


@pytest.mark.parametrize("arguments, name, options", [
    ([], "serve", {"port": None}), (["--port", "1"], "serve", {"port": "1"}),
    (["serve", "--port=1"], "serve", {"port": "1"}), (["-c", "F", "serve"], "serve", {"config": "F"}),
    (["-cF", "--log-level", "debug", "list"], "list", {"config": "F", "log_level": "debug"}),
    (["list", "--log-level", "debug", "-c", "F"], "list", {"config": "F", "log_level": "debug"}),
    (["--port", "1", "list", "--port", "2"], "list", {"port": "2"}),
    (["--token-file", "T", "list"], "list", {"token_file": "T"}),
    (["-c", "F", "get", "-c", "http://h/"], "get", {"config": "F", "continue_": True, "urls": ["http://h/"]}),
    (["--no-token"], "serve", {"no_token": True}), (["--import", "-"], "serve", {"import_": "-"}),
    (["get", "-", "--", "-x"], "get", {"urls": ["-", "-x"]})])
def test_options_stand_before_and_after_the_command(arguments, name, options):
    command, found = parser.parse(arguments)
    assert command.name == name
    assert {key: getattr(found, key) for key in options} == options


@pytest.mark.parametrize("arguments, options", [
    (["get", "-j4", "u1", "-q", "u2", "-x", "3", "u3"],
     {"jobs": "4", "quiet": True, "urls": ["u1", "u2", "u3"]}),
    (["get", "-qO-", "u"], {"quiet": True, "remote_names": ["-"], "urls": ["u"]}),
    (["get", "-O", "http://h/1", "-O", "http://h/2"],
     {"remote_names": ["http://h/1", "http://h/2"], "urls": []}),
    (["get", "-LO", "http://h/1"], {"remote_names": ["http://h/1"]}),
    (["get", "u", "-O"], {"remote_names": [""], "urls": ["u"]}),
    (["get", "-C", "-", "u", "-P", "d"], {"dir": "d", "urls": ["u"]}),
    (["rm", "a", "--with-file", "b"], {"with_file": True, "tasks": ["a", "b"]}),
    (["set", "a", "k=v", "-q", "l=w"], {"task": "a", "changes": ["k=v", "l=w"]}),
    (["add", "--paused", "-k", "--priority", "-3", "u"],
     {"given": [("--paused", "paused", "true"), ("-k", "verify_tls", "false"),
                ("--priority", "priority", "-3")]})])
def test_words_and_options_stand_in_any_order(arguments, options):
    _, found = parser.parse(arguments)
    assert {key: getattr(found, key) for key in options} == options


@pytest.mark.parametrize("arguments, words", [
    (["lst"], ["usage: dlserv [OPTION]", "no command lst", "did you mean list?"]),
    (["frobnicate"], ["no command frobnicate\n"]),
    (["--prot", "5", "list"], ["no option --prot", "did you mean --port?"]),
    (["serve", "--prot=5"], ["usage: dlserv serve", "no option --prot", "did you mean --port?"]),
    (["get", "--limt", "3", "u"], ["usage: dlserv get", "no option --limt", "did you mean --limit?"]),
    (["get", "--conn", "3", "u"], ["did you mean --connections?"]),
    (["list", "--jsno"], ["usage: dlserv list", "did you mean --json?"]),
    (["list", "--url"], ["--url", "expected one argument"]), (["pause"], ["usage: dlserv pause", "TASK"]),
    (["--url", "http://h/", "--zzzz"], ["no option --zzzz\n"]),
    (["stats", "x"], ["'x' is one argument too many"]),
    (["move", "a", "sideways"], ["usage: dlserv move", "sideways", "bottom"])])
def test_a_wrong_usage_names_the_nearest_right_word(capsys, arguments, words):
    with pytest.raises(SystemExit) as caught:
        parser.parse(arguments)
    out, err = capsys.readouterr()
    assert caught.value.code == 2 and out == "" and err.startswith("usage: dlserv")
    assert all(word in err for word in words), err
    assert len(err.splitlines()) == 2 and err.splitlines()[1].startswith("dlserv")


@pytest.mark.parametrize("arguments, key, words", [
    (["--token", "a", "serve", "--no-token"], "--no-token", "--token"),
    (["--token", "a", "--token-file", "b"], "--token-file", "--token"),
    (["--export", "a", "--import", "b"], "--import", "--export"),
    (["--export", "a", "list"], "--export", "for serve"), (["list", "--no-token"], "--no-token", "for serve"),
    (["--download-dir", "d", "add", "u"], "--download-dir", "serve and get"),
    (["--url", "u"], "--url", "commands that talk to a daemon"), (["serve", "--url", "u"], "--url", "commands that talk to a daemon"),
    (["get", "--tries", "many", "u"], "--tries", "many"), (["get", "-t", "-1", "u"], "-t", "-1"),
    (["add", "--option", "nonsense", "u"], "--option", "name=value")])
def test_options_that_do_not_fit_are_refused(arguments, key, words):
    with pytest.raises(InvalidValue) as caught:
        parser.parse(arguments)
    assert caught.value.key == key and words in caught.value.reason


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_with_examples(run, command):
    for arguments in ((command.name, "--help"), (command.name, "-h"), ("help", command.name)):
        code, out, err = run(*arguments)
        assert (code, err) == (0, "") and out.isascii()
        assert out.startswith("usage: dlserv %s" % command.name) and "\nexamples:\n  " in out
        for argument in command.arguments:
            if argument.options["help"] != SUPPRESS:
                assert argument.flags[0] in out or argument.options.get("metavar", "|") in out
        assert all(line in out for line in command.notes)       # their indents included
        assert max(map(len, out.splitlines())) < 100


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_help_begins_with_the_commands_and_three_examples(run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    out = run("--help")[1]
    places = [out.index(word) for word in ("commands:", "  serve", "  completion", "examples:",
                                           "options, before", "--port")]
    assert places == sorted(places) and run("help")[1] == run("-h")[1] == out
    examples = out[out.index("examples:"):out.index("options, before")]
    assert examples.count("  dlserv ") == 3
    assert columns == 40 or max(map(len, out.splitlines())) < columns
    assert run("--version") == (0, "dlserv %s\n" % __version__, "")


def test_the_help_of_serve_says_serve(run):
    out = run("serve", "--help")[1]
    assert out.startswith("usage: dlserv serve ") and "--port" in out and "--export" in out


def test_help_of_an_unknown_command_names_the_nearest(run):
    code, out, err = run("help", "lits")
    assert (code, out) == (2, "") and "did you mean list?" in err

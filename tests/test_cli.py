"""The command line's entrance: exit codes, and one sentence for what is wrong."""

import json
import re
import socket

import pytest

import forks

from dlserv.version import __version__


@pytest.fixture
def run(environ, folder, tmp_path):
    """Run a command that ends by itself; return the completed process."""
    def run(*arguments, **variables):
        done = forks.run(arguments, env=dict(environ, **variables), timeout=10, cwd=str(tmp_path))
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in done.stderr, done.stderr
        return done
    return run


@pytest.fixture
def fails(run, folder, tmp_path):
    """Run it into an error; return (exit code, the one sentence)."""
    def fails(*arguments, **variables):
        base = ["--port", "0", "--download-dir", str(folder), "--db", str(tmp_path / "state" / "dlserv.db")]
        done = run(*(base + list(arguments)), **variables)
        said = [line for line in done.stderr.splitlines() if line.startswith("dlserv: ")]
        logged = re.findall(r"^\d{4}-\d\d-\d\d .* (?:INFO|WARNING) ", done.stderr, re.MULTILINE)
        assert len(said) == 1 and len(said) + len(logged) == len(done.stderr.splitlines()), done.stderr
        assert done.stdout == ""
        return done.returncode, said[0]
    return fails


def write(path, mapping):
    path.write_text(mapping if isinstance(mapping, str) else json.dumps(mapping))
    return str(path)


def test_a_wrong_setting_ends_it_with_2_and_a_sentence(fails, tmp_path):
    code, sentence = fails("--log-level", "loud")
    assert code == 2 and sentence.startswith("dlserv: --log-level: ") and '"loud"' in sentence
    code, sentence = fails(DLSERV_TIMEOUT="soon")
    assert code == 2 and "download.timeout (from $DLSERV_TIMEOUT)" in sentence and '"soon"' in sentence
    code, sentence = fails("-c", write(tmp_path / "c.json", {"server": {"prot": 80}}))
    assert code == 2 and "server.prot" in sentence
    code, sentence = fails(DLSERV_CONFIG=str(tmp_path / "none.json"))
    assert code == 2 and "none.json" in sentence


def test_an_unknown_flag_ends_it_with_2(run):
    done = run("--colour", "red")
    assert done.returncode == 2 and done.stdout == "" and "--colour" in done.stderr


def test_help_and_version_end_it_with_0(run):
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, "dlserv %s\n" % __version__)
    done = run("--help")
    assert done.returncode == 0
    for flag in ("-c", "--host", "--port", "--download-dir", "--db", "--log-level"):
        assert flag in done.stdout


def test_a_port_in_use_ends_it_with_1(fails):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, sentence = fails("--port", port)
    assert code == 1 and sentence.startswith("dlserv: --port: ") and port in sentence and "in use" in sentence


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a..b"])
def test_an_address_that_cannot_be_had_ends_it_with_1(fails, host):
    code, sentence = fails("--host", host)
    assert code in (1, 2) and sentence.startswith("dlserv: --host: ") and host in sentence


@pytest.mark.parametrize("flag, place", [
    ("--download-dir", "file/x"), ("--db", "file/x"), ("--download-dir", "/proc/x/y")])
def test_a_place_that_cannot_be_written_ends_it_with_1(fails, tmp_path, flag, place):
    (tmp_path / "file").write_text("mine")      # root may write into any folder, but not below a file
    code, sentence = fails(flag, place)
    assert code == 1 and sentence.startswith("dlserv: %s: " % flag) and place in sentence
    assert (tmp_path / "file").read_text() == "mine"


def test_a_download_folder_that_is_a_file_ends_it_with_1(fails, tmp_path):
    (tmp_path / "file").write_text("mine")
    code, sentence = fails("--download-dir", "file")
    assert code == 1 and sentence.startswith("dlserv: --download-dir: ") and "file" in sentence


def test_a_database_that_is_a_folder_ends_it_with_1(fails, tmp_path):
    (tmp_path / "folder").mkdir()
    code, sentence = fails("--db", "folder")
    assert code == 1 and sentence.startswith("dlserv: --db: ") and "folder" in sentence


def test_a_second_daemon_on_the_same_database_ends_with_1(start_process, fails, tmp_path):
    first = start_process()
    code, sentence = fails()
    assert code == 1 and sentence.startswith("dlserv: --db: ")
    assert str(tmp_path / "state" / "dlserv.db") in sentence
    assert first.api.get("/config").status == 200
    assert json.loads((tmp_path / "dlserv.json").read_text())["url"] == first.url
    first.kill()        # a crash releases the database
    assert start_process().api.get("/config").status == 200

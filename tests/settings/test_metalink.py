"""Metalink files as lists: servers in order, the strongest hash, and nothing that XML could do to us."""

import subprocess
import sys

import pytest

import forks
from dlserv.errors import InvalidValue
from dlserv.settings import inputfile
from harness import ROOT

HEAD = '<?xml version="1.0" encoding="UTF-8"?><metalink xmlns="urn:ietf:params:xml:ns:metalink">'


def entries(text, name="a.meta4"):
    return inputfile.read(text if isinstance(text, bytes) else text.encode(), name, "--input")


def one(body):
    entry, = entries(HEAD + '<file name="a.iso">%s</file></metalink>' % body)
    return entry.url, entry.options()


def test_servers_come_by_priority():
    url, options = one('<url>http://d/</url><url priority="20">http://c/</url><url location="de" priority="1">ftp://a/</url>'
                       '<url priority="3"> https://b/?x=1&amp;y=2 </url><url priority="0x">rsync://e/</url>')
    assert url == "ftp://a/" and options["mirrors"] == ["https://b/?x=1&y=2", "http://c/", "http://d/"]


@pytest.mark.parametrize("kinds, best", [
    (["md5", "sha-1", "sha-256"], "sha-256"), (["sha-512", "sha-256"], "sha-512"), (["md5"], "md5"),
    (["sha-384", "md5"], "md5"), (["sha-384"], None), ([], None)])
def test_the_strongest_hash_counts_and_those_of_pieces_do_not(kinds, best):
    digits = {"md5": 32, "sha-1": 40, "sha-256": 64, "sha-384": 96, "sha-512": 128}
    body = "".join('<hash type="%s">%s</hash>' % (kind, "a" * digits[kind]) for kind in kinds)
    pieces = '<pieces length="1" type="sha-512"><hash>%s</hash></pieces>' % ("b" * 128)
    _, options = one("<url>http://a/</url>" + body + pieces)
    assert options.get("checksum") == (best and "%s=%s" % (best, "a" * digits[best]))


def test_more_servers_than_a_task_takes_are_cut():
    _, options = one("".join("<url>http://h/%d</url>" % number for number in range(40)))
    assert len(options["mirrors"]) == 32


def test_files_have_names_folders_and_places():
    found = entries(HEAD + '<file name="d/e/a"><url>http://a/</url></file><x:file xmlns:x="y"/>'
                           '<file name="b"><url>http://b/</url></file></metalink>')
    assert [(each.where, each.options()["filename"], each.options().get("dir")) for each in found if each.url] == [
        ("a.meta4, file 1: ", "a", "d/e"), ("a.meta4, file %d: " % len(found), "b", None)]


def test_version_3_is_read_too():
    text = ('<metalink version="3.0" xmlns="http://www.metalinker.org/"><files><file name="a"><verification>'
            '<hash type="sha256">%s</hash></verification><resources><url type="http" preference="10">http://l/</url>'
            '<url type="http" preference="100">http://h/</url></resources></file></files></metalink>' % ("c" * 64))
    entry, = entries(text)
    assert (entry.url, entry.options()) == ("http://h/", {
        "filename": "a", "mirrors": ["http://l/"], "checksum": "sha-256=" + "c" * 64})


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", "..", ".", "a/", "a\\b", "C:\\a"])
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(InvalidValue, match="options"):
        entry, = entries(HEAD + '<file name="%s"><url>http://a/</url></file></metalink>' % name)
        assert entry.options()["filename"] == "", "it was taken"


@pytest.mark.parametrize("text, words", [
    ('<!DOCTYPE metalink SYSTEM "http://h/"><metalink/>', "document type definition"),
    ("<metalink><!entity x></metalink>", "document type definition"), (HEAD, "not well-formed"),
    (HEAD + "</metalink>", "has 0 files"), ("<html/>", "neither a list"), ("<", "not well-formed"),
    ('<?xml version="1.0" encoding="UTF-16"?><metalink><file/></metalink>'.encode("utf-16"), "UTF-8"),
    (HEAD + "<!--%s-->" % ("x" * 10 * 2 ** 20), "is larger than"),
    (HEAD + "<file/>" * 20001 + "</metalink>", "has 20001 files")])
def test_what_is_no_metalink_is_a_sentence(text, words):
    with pytest.raises(InvalidValue, match=words):
        entries(text)


def test_another_encoding_cannot_hide_a_definition():
    text = b'<?xml version="1.0" encoding="cp037"?>' + '<!DOCTYPE a><metalink/>'.encode("cp037")
    with pytest.raises(InvalidValue):
        entries(text)


def test_a_hostile_one_costs_little_memory():
    code = ("import resource, sys; sys.path.insert(0, %r); from dlserv.settings import inputfile\n"
            "text = b'<metalink><file name=\"a\"><url>http://a/</url>' + b'<a>' * 1500000\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "try: inputfile.read(text, 'a', 'k')\n"
            "except Exception as error: print(type(error).__name__)\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)") % ROOT
    name, more = subprocess.check_output([sys.executable, "-c", code], timeout=60).decode().split()
    assert name == "InvalidValue" and int(more) < 100 * 1024


def test_without_xml_it_is_said_what_to_install():
    code = ("import sys; sys.path.insert(0, %r); sys.modules['xml.parsers'] = sys.modules['pyexpat'] = None\n"
            "from dlserv.settings import inputfile\n"
            "try: inputfile.read(b'<metalink/>', 'a', 'k')\n"
            "except Exception as error: print(error)") % ROOT
    assert b"install python3-xml" in subprocess.check_output([sys.executable, "-c", code], timeout=60)


def test_the_command_line_and_import_read_it(process, origin, tmp_path, folder):
    origin.put("/a", b"a")
    path = tmp_path / "list.meta4"
    path.write_text(HEAD + '<file name="given.iso"><url>%s</url></file></metalink>' % origin.url("/a"))
    daemon = process()
    done = forks.run(["--url", daemon.url, "add", "-i", path], timeout=30)
    assert done.returncode == 0
    assert daemon.api.reach(done.stdout.decode().strip(), "finished")["filename"] == "given.iso"
    done = forks.run(["--db", tmp_path / "other.db", "--download-dir", folder, "--import", path], timeout=30)
    assert done.stdout.startswith(b"1 imported")

"""The house: one ordered list of modules, each importing only what stands above it."""

import ast
import functools
import os
import re
import subprocess
import sys
import tokenize

import pytest

import figures
import readme
from harness import ROOT

PACKAGE = os.path.join(ROOT, "dlserv")

# A new module goes below everything it imports and above everything that imports it.
ORDER = """
    version zipped units errors exhaustion contract digests masking fs memory sockets idn host_patterns urls
    threads complaint
    settings settings.values settings.schema settings.token settings.rules settings.options
    settings.automation settings.config settings.config_file settings.metalink settings.inputfile
    settings.current settings.sources
    net net.low_water net.socket_errors net.tls net.channel net.connect net.host_limits net.pool
    net.address_policy net.reader net.head net.remote_file net.links net.bodies net.inflated
    net.auth net.user_file net.netrc net.cookies net.network net.proxy net.exchange net.http
    net.ftp_control net.ftp_body net.ftp net.ftp_listing
    engine engine.meter engine.ratelimit engine.retry engine.checksum engine.filename engine.segments
    engine.progress engine.folder engine.partfile engine.sources engine.transfer engine.continuity
    engine.announced engine.inquiry engine.connection engine.growth engine.fetch engine.publish
    engine.unfinished engine.download
    state state.lock state.wal state.mapping state.sqlite state.journal state.snapshot state.inbox
    state.shelf state.salvage state.recovery state.store
    tasks tasks.states tasks.record tasks.fields tasks.figures tasks.task tasks.events
    tasks.removal tasks.download_dir tasks.attempt tasks.queue tasks.archive tasks.registry
    tasks.scheduler tasks.checkpointer tasks.waits tasks.outcomes
    tasks.workers tasks.dispatcher tasks.runner tasks.deletions tasks.verification tasks.operations
    tasks.report tasks.export tasks.views
    automation automation.schedule automation.process automation.hooks automation.webhooks automation.watch
    automation.automation
    configuration daemon
    api api.large api.connection_limit api.http1 api.requests api.replies api.coding api.files api.assets
    api.sse api.metrics api.openapi api.batches
    api.aria2 api.aria2.jsonrpc api.aria2.frames api.aria2.gids api.aria2.results api.aria2.options
    api.aria2.adding api.aria2.control api.aria2.methods api.aria2.websocket api.aria2.door
    api.routes api.access api.listener api.wire api.handler api.server
    client client.transport client.rest client.fanout client.merged client.several client.discovery
    service_manager signals serve
    commands commands.terminal commands.flags commands.catalogue commands.parser
    commands.rows commands.arguments commands.show commands.watch commands.listing commands.recursive
    commands.actions commands.job commands.get commands.machine commands.systemd commands.unit
    commands.manual commands.completion commands.main
    cli __main__ dlserv
""".split()

# A room knows nothing of these rooms and modules, whatever the order would allow.
BANS = {
    "settings": {"net", "engine", "state", "tasks"},
    "net": {"engine", "state", "tasks"},
    "engine": {"state", "tasks", "daemon"},
    "state": {"settings", "net", "engine", "tasks"},
    "tasks": {"daemon", "api"},
    "api": {"net", "engine", "state", "configuration", "daemon"},
    "client": {"engine", "net", "state", "tasks", "daemon", "api"},
}
# Habits of speech that no docstring and no comment may have: see "Sentences" in the design.
HABITS = re.compile(r"\b(?:gives|anew|besides|of\s+now|at\s+the\s+most)\b", re.IGNORECASE)
# A sentence has a verb or a noun first, and no clause; a function's has a verb.
CLAUSES = re.compile(r"(?:What|Whatever|Whether|Who|Whoever|Which|How|Where|Those (?:that|who|which))\b")
NOUNS = re.compile(r"(?:The|An?|One|All|No|Its|This|That|These|Those|It|They|There|Like)\b|[^A-Za-z]")
LAZY = {"sqlite3", "xml", "ftplib", "concurrent", "dataclasses", "typing", "asyncio", "ssl"}
LAZY_BUT = {"state.sqlite": {"sqlite3"}}
LONGEST_FUNCTION = 60


def modules():
    found = {}
    for folder, _, names in os.walk(PACKAGE):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                dotted = os.path.relpath(path, ROOT)[:-3].replace(os.sep, ".")
                found[_without(dotted, ".__init__")] = path
    return {_after(name, "dlserv."): path for name, path in found.items()}


def _without(text, ending):
    return text[:-len(ending)] if text.endswith(ending) else text


def _after(text, beginning):
    return text[len(beginning):] if text.startswith(beginning) else text


MODULES = modules()
TREES = {}
for _name, _path in MODULES.items():
    with open(_path, encoding="utf-8") as _file:
        TREES[_name] = ast.parse(_file.read())


@functools.lru_cache(maxsize=None)
def walk(tree):
    """Return the nodes of a tree; to find them takes longer than the tests of them."""
    return list(ast.walk(tree))


@functools.lru_cache(maxsize=None)
def imports(name, nodes_of=walk):
    """Return the modules of ours, and the first parts of others (after a dot), that it imports."""
    return list(_imports(name, nodes_of))


def _imports(name, nodes_of):
    for node in nodes_of(TREES[name]):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = _package(name, node.level) + (node.module.split(".") if node.module else [])
            wholes = [".".join(base + [alias.name]) for alias in node.names]
            yield from {whole if whole in MODULES else ".".join(base) for whole in wholes} - {""}
        elif isinstance(node, ast.ImportFrom):
            yield "." + node.module.split(".")[0]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield "." + alias.name.split(".")[0]


def _package(name, level):
    """The parts of the package that a relative import of this level starts from, dlserv's own left out."""
    parts = [] if name == "dlserv" else name.split(".")
    is_package = MODULES[name].endswith("__init__.py")
    return parts[:len(parts) - level + is_package]


def _module_level(tree):
    for node in tree.body:
        if not _is_for_type_checkers(node):
            yield node
            if isinstance(node, (ast.Try, ast.If)):
                yield from walk(node)


def _all_that_runs(tree):
    for node in tree.body:
        if not _is_for_type_checkers(node):
            yield from walk(node)


def _is_for_type_checkers(node):
    return isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING"


def test_every_module_has_its_place():
    assert sorted(ORDER) == sorted(MODULES), "put a new module into ORDER, below what it imports"


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_what_stands_above_it(name):
    above = ORDER[:ORDER.index(name)]
    wrong = [each for each in imports(name) if not each.startswith(".") and each not in above]
    assert not wrong, "%s imports %s" % (name, wrong)


@pytest.mark.parametrize("room", sorted(BANS))
def test_rooms_do_not_know_each_other(room):
    for name in MODULES:
        if name.split(".")[0] == room:
            assert not {each.split(".")[0] for each in imports(name, _all_that_runs)} & BANS[room], name


@pytest.mark.parametrize("name", ORDER)
def test_what_a_small_box_may_lack_is_imported_late(name):
    early = {each[1:] for each in imports(name, _module_level) if each.startswith(".")}
    assert not early & (LAZY - LAZY_BUT.get(name, set()))


@pytest.mark.parametrize("name", ORDER)
def test_nothing_but_the_standard_library_is_imported(name):
    if not hasattr(sys, "stdlib_module_names"):
        pytest.skip("this Python does not tell what belongs to its library")
    others = {each[1:] for each in imports(name) if each.startswith(".")}
    assert others <= set(sys.stdlib_module_names)


def test_functions_are_short():
    lengths = []
    for name, tree in TREES.items():
        for node in walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lengths.append((node.body[-1].end_lineno - node.lineno + 1, name, node.name))
    assert max(lengths)[0] <= LONGEST_FUNCTION, max(lengths)
    assert sorted(lengths)[len(lengths) // 2][0] <= 8
    assert sorted(lengths)[len(lengths) * 9 // 10][0] <= 30


def test_sizes_are_within_the_limits():
    for name, (value, where) in figures.measure().items():
        assert value <= figures.LIMITS.get(name, value), "%s: %d, %s" % (name, value, where)


def test_public_things_say_what_they_are():
    for name, tree in TREES.items():
        assert ast.get_docstring(tree), name
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                trivial = node.body[-1].end_lineno - node.lineno < 4
                assert ast.get_docstring(node) or trivial, "%s.%s" % (name, node.name)


@functools.lru_cache(maxsize=None)
def docstrings():
    return list(_docstrings())


def _docstrings():
    """Yield (where, docstring, whether it is a function's) of all that have one."""
    for name, tree in TREES.items():
        for node in walk(tree):
            text = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
            if text:
                is_noun = any(getattr(each, "id", "") == "property" for each in getattr(node, "decorator_list", ()))
                where = "%s, line %d" % (name, node.body[0].lineno)
                yield where, text, isinstance(node, ast.FunctionDef) and not is_noun


@functools.lru_cache(maxsize=None)
def comments():
    return list(_comments())


def _comments():
    """Yield (where, comment) of all modules, without the mark; lines that follow one another are one."""
    for name, path in MODULES.items():
        with open(path, encoding="utf-8") as file:
            found = [token for token in tokenize.generate_tokens(file.readline) if token.type == tokenize.COMMENT]
        last, where, text = 0, "", ""
        for token in found:
            follows = token.start[0] == last + 1 and token.line.lstrip().startswith("#")
            if not follows and text:
                yield where, text
            where, text = (where, text) if follows else ("%s, line %d" % (name, token.start[0]), "")
            last, text = token.start[0], (text + " " + token.string.lstrip("# ")).strip()
        if text:
            yield where, text


def test_sentences_are_free_of_bad_habits():
    wrong = ["%s: %s" % (where, HABITS.search(text).group()) for where, text in
             [each[:2] for each in docstrings()] + comments() if HABITS.search(text)]
    assert not wrong, "\n".join(wrong)


def test_docstrings_say_raise_as_they_say_return():
    wrong = [where for where, text, _ in docstrings() if re.search(r"\bRaises\b", text)]
    assert not wrong, "\n".join(wrong)


def test_docstrings_open_with_a_verb_or_a_noun():
    wrong = [where for where, text, is_act in docstrings()
             if CLAUSES.match(text) or is_act and NOUNS.match(text)]
    wrong += [where for where, text in comments() if CLAUSES.match(text)]
    assert not wrong, "\n".join(wrong)


def test_the_command_line_starts_without_the_rest():
    code = "import sys, dlserv.cli; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-S", "-c", code], cwd=ROOT).decode().split()
    assert not {"sqlite3", "ftplib", "xml", "concurrent.futures", "dataclasses"} & set(loaded)
    assert "dlserv.daemon" not in loaded


def test_readme_shows_the_tables_as_they_are():
    with open(os.path.join(ROOT, "README"), encoding="utf-8") as file:
        text = file.read()
    assert readme.rewritten(text) == text, "run python3 tests/readme.py"


def test_the_top_level_is_what_the_design_says():
    listed = subprocess.run("git ls-files", shell=True, cwd=ROOT, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)      # of a shell: there may be no git
    if listed.returncode:
        pytest.skip("this is no checkout")
    top = {line.split("/")[0] for line in listed.stdout.decode().splitlines()}
    assert {name for name in top if not name.startswith(".")} == {
        "dlserv.py", "dlserv", "tests", "Makefile", "LICENSE", "README"}


def test_lines_are_short_and_name_no_path_of_this_machine():
    for name, path in MODULES.items():
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                where = "%s:%d" % (name, number)
                assert len(line) <= 116 and line == line.rstrip() + "\n" and "\t" not in line, where
                assert not re.search(r"/(home|root|work|Users)/", line), where

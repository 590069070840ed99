# make            build dlserv.pyz, the whole program in one file
# make test       run the tests (makes a virtual environment for pytest first)
# make test-all   the same on every Python from 3.8 on that is found here
# make crash-test kill -9 the daemon two hundred times and look what is lost
# make bench      compare with curl, wget, aria2c and axel, those that are found here
# make install    put the program in place: PREFIX=/usr/local
# make clean      remove what was made

PYTHON ?= python3
PREFIX ?= /usr/local
VERSION_OF = $(shell $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV = build/venv-$(call VERSION_OF,$(PYTHON))
SOURCES = dlserv.py $(shell find dlserv -type f -not -name '*.pyc' | LC_ALL=C sort)

.PHONY: pyz test test-all crash-test bench install clean

pyz: dlserv.pyz

# The same bytes wherever and whenever it is built: sorted names, one date, one mode. All files but the
# first three, which read the others, are packed into one member; dlserv/zipped.py describes it.
define BUILD
import collections, re, sys, zipapp, zipfile
target, *names = sys.argv[1:]
files = {name: open(name, "rb").read() for name in names}
members = {name: files.pop(name) for name in ("dlserv.py", "dlserv/__init__.py", "dlserv/zipped.py")}
members["__main__.py"] = members.pop("dlserv.py")
word, contents = re.compile(rb" {4,}|\w+"), b"".join(files.values())
counts = collections.Counter(word.findall(contents))
saving = sorted(counts, key=lambda each: counts[each] * (1 - len(each)))
codes = {each: b"%c" % unused for each, unused in zip(saving, sorted(set(range(256)) - set(contents)))}
files = {name: word.sub(lambda found: codes.get(found[0], found[0]), data) for name, data in files.items()}
index = b"".join(b"%d %s\n" % (len(data), name.encode()) for name, data in files.items())
legend = b"".join(code + each + b"\n" for each, code in codes.items())
members["sources"] = b"\n".join([index, legend, b"".join(files.values())])
with zipfile.ZipFile(target + ".zip", "w") as archive:
    for name, data in members.items():
        entry = zipfile.ZipInfo(name)
        entry.external_attr, entry.create_system = 0o644 << 16, 3
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, data, compresslevel=9)
zipapp.create_archive(target + ".zip", target, interpreter="/usr/bin/env python3")
endef
export BUILD

dlserv.pyz: $(SOURCES) Makefile
	$(PYTHON) -c "$$BUILD" $@ $(SOURCES)
	@rm $@.zip
	@ls -l $@

test: $(VENV)/ready dlserv.pyz
	$(VENV)/bin/python tests/shards.py $(TESTS)

$(VENV)/ready:
	@echo "making a virtual environment for pytest in $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check 'pytest>=7,<10'
	@touch $@

test-all:
	@for version in 3.8 3.9 3.10 3.11 3.12 3.13 3.14; do \
	  python=python$$version; \
	  $$python -c '' 2>/dev/null || python=$$(pyenv prefix \
	    $$(pyenv versions --bare 2>/dev/null | grep "^$$version\." | tail -n 1) 2>/dev/null)/bin/python; \
	  $$python -c '' 2>/dev/null || { echo "== Python $$version: not found, left out"; continue; }; \
	  echo "== $$($$python --version)"; \
	  $(MAKE) --no-print-directory test PYTHON=$$python || exit 1; \
	done

crash-test: $(VENV)/ready
	$(VENV)/bin/python -m pytest -m slow tests/test_crash.py

bench: dlserv.pyz
	$(PYTHON) tests/bench

install: dlserv.pyz
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 dlserv.pyz "$(DESTDIR)$(PREFIX)/bin/dlserv"

clean:
	rm -rf build dlserv.pyz .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

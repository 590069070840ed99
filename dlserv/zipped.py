"""The .pyz in memory: modules and the page come from there, whatever happens to the file.

Its member SOURCES holds every file that is not needed to read it, deflated as one stream: one for
each file would take a quarter more. It has three parts, with an empty line between them:

    <size in bytes> <name>      a line for each file
    <code><word>                a line for each byte that stands for a word: a twentieth less, once deflated
    <contents>                  of the files, in the order of their lines and of these sizes
"""

import importlib.machinery
import os
import sys

PACKAGE, SOURCES = __name__.partition(".")[0], "sources"


def adopt(loader):
    """Import this package from memory from now on; `loader` is the zipimporter that found it.

    A zip file without SOURCES, which others have made of the package, is left to zipimport.
    """
    try:
        contents = loader.get_data(os.path.join(loader.archive, SOURCES))
    except OSError:
        return
    sys.meta_path.insert(0, Finder(loader.archive, contents))


class Finder:
    """A finder for the modules of this package in the .pyz at `path`, whose SOURCES are `contents`."""

    def __init__(self, path, contents):
        self._path = path
        index, legend, packed = contents.split(b"\n\n", 2)
        self._files = dict(_files(index.decode("utf-8"), packed))
        self._words = [(line[:1], line[1:]) for line in legend.split(b"\n")]

    def find_spec(self, name, path=None, target=None):
        """Return the ModuleSpec of a module that the file has, else None; see importlib.abc.MetaPathFinder."""
        if not name.startswith(PACKAGE + "."):
            return None
        stem = name.replace(".", "/")
        for file, is_package in ((stem + ".py", False), (stem + "/__init__.py", True)):
            if file in self._files:
                return self._spec(name, os.path.join(self._path, *file.split("/")), is_package)
        return None

    def _spec(self, name, place, is_package):
        loader = _Loader(name, place, self)
        spec = importlib.machinery.ModuleSpec(name, loader, origin=place, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations.append(os.path.dirname(place))
        return spec

    def read(self, path):
        """Return the bytes of the file at this path, which begins with the .pyz's. Raise OSError."""
        name = os.path.relpath(path, self._path).replace(os.sep, "/")
        if name not in self._files:
            raise FileNotFoundError(f"{self._path} has no {name}")
        data = self._files[name]
        for code, word in self._words:
            data = data.replace(code, word)
        return data


class _Loader(importlib.machinery.SourceFileLoader):
    """The loader of one module that the Finder has found."""

    def __init__(self, name, path, finder):
        super().__init__(name, path)
        self._finder = finder

    def get_data(self, path):
        return self._finder.read(path)

    def path_stats(self, path):
        raise OSError("no bytecode is kept of a module in a zip file")


def _files(index, packed):
    """Yield (name, packed bytes) of each file."""
    position = 0
    for line in index.split("\n"):
        size, name = line.split(" ", 1)
        yield name, packed[position:position + int(size)]
        position += int(size)

"""The .pyz, read once and kept in memory: modules and the page come from there, whatever happens to the file.

zipimport opens the file by its name for every module that it imports, so a file that was
replaced would break later imports. From Python 3.10 on it also compiles every module twice.
"""

import importlib.machinery
import os
import struct
import sys
import zipimport
import zlib

PACKAGE = __name__.partition(".")[0]
_END, _ENTRY, _HEADER = b"PK\5\6", struct.Struct("<10xH8xL4x3H8xL"), struct.Struct("<26x2H")


def adopt(loader):
    """Import this package from memory from now on if the loader is that of a zip file."""
    if isinstance(loader, zipimport.zipimporter):
        sys.meta_path.insert(0, Finder(loader.archive))


class Finder:
    """A finder for the modules of this package in the zip file at `path`, which is read once."""

    def __init__(self, path):
        self._path = path
        with open(path, "rb") as file:
            self._data = file.read()
        self._members = dict(_members(self._data))

    def find_spec(self, name, path=None, target=None):
        """Return the ModuleSpec of a module that the file has, else None; see importlib.abc.MetaPathFinder."""
        if not name.startswith(PACKAGE + "."):
            return None
        stem = name.replace(".", "/")
        for member, is_package in ((stem + ".py", False), (stem + "/__init__.py", True)):
            if member in self._members:
                return self._spec(name, os.path.join(self._path, *member.split("/")), is_package)
        return None

    def _spec(self, name, place, is_package):
        loader = _Loader(name, place, self)
        spec = importlib.machinery.ModuleSpec(name, loader, origin=place, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations.append(os.path.dirname(place))
        return spec

    def read(self, path):
        """Return the bytes of the member at this path, which begins with the zip file's. Raise OSError."""
        name = os.path.relpath(path, self._path).replace(os.sep, "/")
        if name not in self._members:
            raise FileNotFoundError(f"{self._path} has no {name}")
        position, size, is_packed = self._members[name]
        data = self._data[position:position + size]
        return zlib.decompress(data, -zlib.MAX_WBITS) if is_packed else data


class _Loader(importlib.machinery.SourceFileLoader):
    """The loader of one module that the Finder has found."""

    def __init__(self, name, path, finder):
        super().__init__(name, path)
        self._finder = finder

    def get_data(self, path):
        return self._finder.read(path)

    def path_stats(self, path):
        raise OSError("no bytecode is kept of a module in a zip file")


def _members(data):
    """Yield (name, (position of its bytes, their number, whether they are deflated)) of a zip file.

    It has at most 65,535 members and is smaller than 4 GiB; something may stand before it.
    """
    end = data.rindex(_END)
    count, size, offset = struct.unpack_from("<HLL", data, end + 10)
    begin, position = end - size - offset, end - size
    for _ in range(count):
        method, packed, *lengths, header = _ENTRY.unpack_from(data, position)
        name = data[position + 46:position + 46 + lengths[0]].decode("utf-8")
        header += begin
        yield name, (header + 30 + sum(_HEADER.unpack_from(data, header)), packed, bool(method))
        position += 46 + sum(lengths)

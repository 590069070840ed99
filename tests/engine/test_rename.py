"""Renaming that never overwrites, with and without hard links."""

import errno
import os

import pytest

from dlserv.engine.folder import Folder
from dlserv.engine.rename import rename
from dlserv.errors import NameTaken, Unavailable


@pytest.fixture
def held(folder):
    with Folder(str(folder)) as opened:
        yield opened


def test_a_rename_never_overwrites(held, folder):
    for name in ("old", "new"):
        (folder / name).write_text(name)
    with pytest.raises(NameTaken):
        rename(held, "old", "new")
    assert (folder / "new").read_text() == "new"
    rename(held, "old", "newer")
    assert sorted(os.listdir(folder)) == ["new", "newer"]


def test_an_empty_file_of_ours_may_be_replaced(held, folder, without_links):
    (folder / "old").write_text("old")
    (folder / "new").touch()
    with pytest.raises(NameTaken):
        rename(held, "old", "new")
    rename(held, "old", "new", spare_empty=True)
    assert os.listdir(folder) == ["new"] and (folder / "new").read_text() == "old"


def test_a_link_that_was_made_twice_is_made(held, folder, monkeypatch):
    """NFS sends a request again whose answer was lost, and is told that the name is taken: by itself."""
    (folder / "old").write_text("old")
    real = os.link

    def link(*arguments, **options):
        real(*arguments, **options)
        real(*arguments, **options)

    monkeypatch.setattr(os, "link", link)
    assert rename(held, "old", "new") is None
    assert os.listdir(folder) == ["new"] and (folder / "new").read_text() == "old"


def test_without_links_or_renames_nothing_is_left_behind(held, folder, without_links, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    (folder / "old").write_text("old")
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(Unavailable, match="not permitted"):
        rename(held, "old", "new")
    assert os.listdir(folder) == ["old"]

"""Choose names, create the part file, and publish it under its final name."""

import itertools
import os

from .. import urls
from ..errors import LocalError, NameTaken, NameTooLong, Permanent, Unwritable
from . import filename
from .partfile import PartFile, drop
from .progress import Identity

MANY = 8        # names in use after which the whole folder is listed


def choose_name(option, resource, task_url=None):
    """Return a safe name; a mirror's only if `task_url`, given for a mirror's resource, has none."""
    own, disposition = urls.file_name(task_url or ""), resource.disposition
    if own.strip(". "):
        disposition = None
    else:
        own = urls.file_name(resource.url)
    host = "" if own.strip(". ") else urls.parse(resource.url).host     # the last resort
    return filename.choose(option, disposition, own, host, resource.media_type)


def free_names(folder, name, overwrite, previous=None):
    """Yield the free ones of name, name (1), name (2), …, or the name of the file to be replaced.

    Raise Permanent for a name in use if `overwrite` is "never"; NameTooLong.
    """
    taken = ()
    for number in itertools.count():
        if number == MANY:      # a thousand calls of stat would be slow
            taken = {entry for entry, _ in folder.entries()}
        candidate = filename.numbered(name, number, folder.longest)
        if candidate in taken and previous is None:
            continue
        if folder.stat(candidate) is None or is_previous(folder, previous, candidate):
            yield candidate
        elif overwrite == "never":
            raise Permanent(f"a file named {folder.relative(candidate)} is there already", word="exists")


def is_previous(folder, previous, name):
    """Return whether this is the unchanged file that a restart replaces."""
    found = folder.stat(name) if previous is not None and name == previous.name else None
    return (found is not None and previous.identity.matches(found)
            and not folder.is_another(found, *previous.identity[:2]))


def make_part(folder, new_names, announce, at_hand):
    """Return (a new PartFile, its target) under the first free names.

    `new_names()` returns an iterator of targets. `announce(part, target)` precedes the creation,
    `announce(None, None)` follows a failure; it raises NameTaken for the part of another task.
    If all bytes are `at_hand`, a file without a name is used if possible, unannounced.
    """
    while True:
        try:
            return _make_part(folder, new_names(), announce, at_hand)
        except NameTooLong:
            if not folder.shorten():
                raise


def _make_part(folder, names, announce, at_hand):
    for target in names:
        name = filename.part_name(target, folder.longest)
        part = PartFile.unnamed(folder, name) if at_hand else None
        if part is not None:
            return part, target
        if folder.stat(name) is not None:
            continue
        try:
            announce(name, target)
            return PartFile.create(folder, name), target
        except NameTaken:
            continue
        except LocalError:
            announce(None, None)
            raise


def publish(part, target, names, announce, interrupted=False, previous=None):
    """Give the complete file its final name: that of the file it replaces, `target` or the next of `names`.

    Return (name, None or a sentence about a failure after that). `announce(target, identity)`
    stores the intention and returns a function that waits until it is durable. After an
    `interrupted` try, an empty file under the name is ours.
    """
    folder, linkless = part.folder, False
    if previous is not None and is_previous(folder, previous, previous.name):
        target = previous.name      # its part has another if that name was taken
    while True:
        try:
            if linkless and not part.named:
                part.take_name(filename.part_name(target, folder.longest))
            wait = announce(target, part.identity())
            part.sync()
            wait()
            folder.check_in_place()
            return target, part.publish(target, interrupted, is_previous(folder, previous, target))
        except (NameTaken, NameTooLong) as refusal:
            if isinstance(refusal, NameTooLong) and not folder.shorten():
                raise
            target, interrupted = next(names), False
        except Unwritable:
            if linkless or part.named or part.has_failed:
                raise
            linkless = True


def recover(folder, part, target, identity):
    """Return (Identity, remark) of a file that got its name before a crash, else (None, None)."""
    found, rest = folder.stat(target), folder.stat(part)
    if found is None or not identity.matches(found) or folder.is_another(found, *identity[:2]):
        return None, None
    remark = None
    if rest is not None and os.path.samestat(rest, found):
        remark = drop(folder, part, target)      # the crash was between link and unlink
    elif rest is not None and not folder.is_another(rest, *identity[:2]):
        return None, None       # it may be the part, and the file the one that it is to replace
    return Identity.of(found), remark or folder.sync_names(target)

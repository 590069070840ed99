"""From the first bytes to the final name: the part file's making, and its publishing.

The names are told to the observer before anything is made or renamed, so a crash at any
point leaves nothing behind that the next attempt does not recognise.
"""

import itertools
import os

from .. import urls
from ..errors import LocalError, NameTaken, NameTooLong, Permanent, Unwritable
from . import filename
from .partfile import Identity, PartFile

MANY = 8        # taken names after which the whole folder is looked at


def choose_name(option, resource, task_url=None):
    """Return what to call the file: a safe name.

    `task_url` is the task's own URL where the resource is of a mirror: that one's names are not
    the task's, unless the URL has none.
    """
    own, disposition = urls.file_name(task_url or ""), resource.disposition
    if own.strip(". "):
        disposition = None
    else:
        own = urls.file_name(resource.url)
    return filename.choose(option, disposition, own, urls.parse(resource.url).host, resource.media_type)


def free_names(folder, name, overwrite, previous=None):
    """Yield those of name, name (1), name (2), … that no file has, or only the one to be replaced.

    They are cut to what the folder's file system takes. Raise Permanent at the first that is
    taken, if `overwrite` is "never", and NameTooLong.
    """
    taken = ()
    for number in itertools.count():
        if number == MANY:      # asking for each of a thousand would take its time
            taken = folder.names()
        candidate = filename.numbered(name, number, folder.longest)
        if candidate in taken and previous is None:
            continue
        found = folder.stat(candidate)
        if found is None or is_previous(folder, previous, candidate, found):
            yield candidate
        elif overwrite == "never":
            raise Permanent("a file named %s is there already" % folder.relative(candidate), word="exists")


def is_previous(folder, previous, name, status):
    """Return True if this is the file, unchanged, that a restart is to replace."""
    return (previous is not None and name == previous.name and previous.identity.matches(status)
            and not folder.is_another(status, *previous.identity[:2]))


def make_part(folder, new_names, announce, at_hand):
    """Return (a new PartFile, the target it is for) under the first names that are free.

    `new_names()` returns an iterator of targets. `announce(part, target)` is called before the
    file is made, `announce(None, None)` if it could not be; it raises NameTaken for a part of
    another task. If all bytes are `at_hand`, a file without a name is used where the file
    system has such files, and nothing is announced.
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
    """Give the whole file its final name, `target` or the next of `names`.

    Return (the name, a sentence about what could not be done behind that or None).
    `announce(target, identity)` stores what is about to happen and returns a function that
    waits until that is durable. `interrupted` says that a crash came in an earlier try, so
    an empty file under the name is ours. Where a part without a name can be given none, it
    takes that of a part file first.
    """
    folder, linkless = part.folder, False
    while True:
        try:
            if linkless and not part.named:
                part.take_name(filename.part_name(target, folder.longest))
            wait = announce(target, part.identity())
            part.sync()
            wait()
            folder.check_in_place()
            found = folder.stat(target) if previous is not None else None
            replaces = found is not None and is_previous(folder, previous, target, found)
            return target, part.publish(target, interrupted, replaces)
        except NameTaken:
            target, interrupted = next(names), False
        except NameTooLong:
            if not folder.shorten():
                raise
            target, interrupted = next(names), False
        except Unwritable:
            if linkless or part.named or part.has_failed:
                raise
            linkless = True


def recover(folder, part, target, identity):
    """Return (the Identity of the file that has its name although a crash came, a sentence or None).

    Return (None, None) if the crash came before the file had its name.
    """
    found, rest = folder.stat(target), folder.stat(part)
    if found is None or not identity.matches(found) or folder.is_another(found, *identity[:2]):
        return None, None
    remark = None
    if rest is not None:
        if not os.path.samestat(rest, found):
            return None, None
        remark = folder.drop(part, target)      # the crash came between link and unlink
    return Identity.of(found), remark or folder.sync_names(target)

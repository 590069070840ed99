"""From the first bytes to the final name: the part file's making, and its publishing.

The names are told to the observer before anything is made or renamed, so a crash at any
point leaves nothing behind that the next attempt does not recognise.
"""

import itertools

from .. import urls
from ..errors import LocalError, NameTaken, Permanent, Unwritable
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
    """Those of name, name (1), name (2), … that no file has, or only the one to be replaced.

    Raises Permanent at the first that is taken, if `overwrite` is "never".
    """
    taken = ()
    for number in itertools.count():
        if number == MANY:      # asking for each of a thousand would take its time
            taken = folder.names()
        candidate = filename.numbered(name, number)
        if candidate in taken and previous is None:
            continue
        found = folder.stat(candidate)
        if found is None or is_previous(previous, candidate, found):
            yield candidate
        elif overwrite == "never":
            raise Permanent("a file named %s is there already" % folder.relative(candidate))


def is_previous(previous, name, status):
    """Whether this is the file, unchanged, that a restart is to replace."""
    return previous is not None and name == previous.name and previous.identity.matches(status)


def make_part(folder, names, announce, at_hand):
    """(a new PartFile, the target it is for) under the first names that are free.

    `announce(part, target)` is called before the file is made, `announce(None, None)` if
    it could not be; it raises NameTaken for a part of another task. One whose bytes are all
    `at_hand` needs no name of its own, and so nothing to be announced, where the file
    system can do without.
    """
    for target in names:
        name = filename.part_name(target)
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
    """Give the whole file its final name, `target` or the next of `names`; gives that name.

    `announce(target, identity)` stores what is about to happen and gives a function that
    waits until that is durable. `interrupted` says that a crash came in an earlier try, so
    an empty file under the name is ours. Where a part without a name can be given none, it
    takes that of a part file first.
    """
    linkless = False
    while True:
        try:
            if linkless and not part.named:
                part.take_name(filename.part_name(target))
            wait = announce(target, part.identity())
            part.sync()
            wait()
            found = part.folder.stat(target) if previous is not None else None
            part.publish(target, interrupted, found is not None and is_previous(previous, target, found))
            return target
        except NameTaken:
            target, interrupted = next(names), False
        except Unwritable:
            if linkless or part.named:
                raise
            linkless = True


def recover(folder, part, target, identity):
    """Whether a crash came after the rename: the Identity of the file under its name, or None."""
    found, rest = folder.stat(target), folder.stat(part)
    if found is None or not identity.matches(found):
        return None
    if rest is not None:
        if (rest.st_dev, rest.st_ino) != (found.st_dev, found.st_ino):
            return None
        folder.remove(part)     # the crash came between link and unlink
    return Identity.of(found)

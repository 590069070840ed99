"""--export and --import: tasks and archive as one JSON file, while no daemon has the database open.

Tasks have their logs, progress and options, secrets among them. Import also reads lists of URLs.
"""

import contextlib
import json
import os
import sys
from functools import partial

from ..errors import InvalidValue, MissingModule, NotFound, Unwritable
from ..fs import replace_file
from ..settings import inputfile
from ..version import __version__
from . import archive
from .fields import SHAPE
from .registry import load, open_store
from .task import Task

SCHEMA = 1


def export_tasks(path, general, settings):
    """Write all tasks to the file `path`, "-" for standard output; return how many.

    `general` and `settings` are config.general and config.download. Raise InvalidValue, NotFound,
    StoreBroken or Unwritable.
    """
    if os.path.realpath(path) == os.path.realpath(general.db_path):
        raise InvalidValue("--export", "%s is the database itself" % path)
    if not os.path.exists(general.db_path):
        raise NotFound("there is no database %s" % general.db_path)
    with contextlib.closing(open_store(general)) as store:
        tasks, buckets = load(store, settings), _archived(store)
    found = [task.to_record() for task in tasks if not task.deleting]
    whole = {"schema": SCHEMA, "dlserv": __version__, "tasks": found}
    if buckets:
        whole["archive"] = [entry.to_detail() for entry in buckets.entries()]
    text = json.dumps(whole, indent=1) + "\n"
    if path == "-":
        sys.stdout.write(text)
    else:
        try:
            replace_file(os.path.realpath(path), text)      # readable for its owner only
        except OSError as error:
            raise Unwritable("%s cannot be written: %s" % (path, error.strerror)) from error
    return len(found)


def import_tasks(path, general, settings, complain):
    """Take in the tasks of an export or a list; return (how many, how many were there, how many left out).

    `complain` is called with a sentence for each that is left out. Raise InvalidValue or StoreBroken.
    """
    data, name = _read(path)
    is_export = data.lstrip()[:1] == b"{"
    wanted, entries = (_from_json if is_export else _from_list)(data, name, settings)
    with contextlib.closing(open_store(general)) as store:
        there, buckets = {task.tid: task for task in load(store, settings)}, _archived(store)
        known = buckets if general.archive and not is_export else archive.Buckets()
        new, present, left_out = _choose(wanted, there, known, general.max_tasks - len(there), complain)
        _queue_behind(there.values(), new.values())
        changes = {tid: task.to_record() for tid, task in new.items()}
        left_out += _remember(entries, buckets, general.archive_size, changes, complain)
        store.write(changes).wait()
    return len(new), present, left_out


def _archived(store):
    buckets = archive.Buckets()
    store.facts(archive.PREFIX, buckets.load)
    return buckets


def _choose(wanted, there, known, room, complain):
    """Return ({tid: Task} of those to take, how many are there, how many are left out).

    Tasks in the Buckets `known` are not taken.
    """
    new, present, left_out, had = {}, 0, 0, 0
    for where, make in wanted:
        try:
            task = make()
            if task.tid in there or task.tid in new:
                present += 1
            elif not task.options.repeat and known.find(task.tid):
                had += 1
            elif len(new) < room:
                new[task.tid] = task
            else:
                raise ValueError("there are as many tasks as general.max_tasks allows")
        except (ValueError, InvalidValue) as error:
            complain(where + str(error))
            left_out += 1
    if had:
        complain(f"{had} had already; the option repeat=true has one downloaded again")
    return new, present, left_out


def _remember(entries, buckets, most, changes, complain):
    """Add to `changes` what the archive of an export has and ours lacks; return how many are left out."""
    left_out = 0
    for number, each in enumerate(entries):
        try:
            entry = archive.read(each)
            known = buckets.find(entry.tid)
            if known is None or known.time < entry.time:
                changes.update(buckets.put(entry))
        except ValueError as error:
            complain(f"archive, entry {number}: {error}")
            left_out += 1
    if entries:
        changes.update(buckets.trim(most))
    return left_out


# -- return [(where it stands, a function that makes the Task), …], and an archive -----------

def _from_json(data, name, settings):
    try:
        given = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidValue("--import", "%s is not JSON: %s" % (name, error)) from None
    schema, tasks, entries = given.get("schema"), given.get("tasks"), given.get("archive", [])
    if type(schema) is not int or not isinstance(tasks, list) or not isinstance(entries, list):
        raise InvalidValue("--import", "%s is not an export of dlserv" % name)
    if schema > SCHEMA:
        raise InvalidValue("--import", "%s was written by a newer dlserv (schema %d, this one knows %d)"
                           % (name, schema, SCHEMA))
    return [("task %d: " % index, partial(_checked, record, settings))
            for index, record in enumerate(tasks)], entries


def _checked(record, settings):
    """Return the Task of a record from elsewhere. Raise ValueError if it is none."""
    try:
        SHAPE.check(record)
        task = Task.from_record(record, settings)
    except (KeyError, TypeError, MissingModule) as error:
        raise ValueError(f"it is not a task: {error}") from None
    if task.deleting:
        raise ValueError("it was being deleted")
    return task


def _from_list(data, name, settings):
    return [(entry.where, partial(_listed, entry, settings))
            for entry in inputfile.read(data, name, "--import")], []


def _listed(entry, settings):
    return Task.new(entry.url, entry.options(), settings)


def _queue_behind(there, new):
    """Let the new tasks follow those that are there, by age and in the queue, in their own order."""
    numbers = {}
    for name in ("order", "position"):
        last = max([getattr(task, name) for task in there], default=0)
        behind = there or any(getattr(task, name) == 0 for task in new)
        new = sorted(new, key=lambda task: getattr(task, name))
        numbers[name] = {task.tid: number if behind else getattr(task, name)
                         for number, task in enumerate(new, last + 1)}
    for task in new:
        task.number(numbers["order"][task.tid], numbers["position"][task.tid])


def _read(path):
    """Return (the bytes, the name for sentences)."""
    if path == "-":
        return sys.stdin.buffer.read(), "standard input"
    try:
        with open(path, "rb") as file:
            return file.read(), path
    except OSError as error:
        raise InvalidValue("--import", "%s cannot be read: %s" % (path, error.strerror)) from None

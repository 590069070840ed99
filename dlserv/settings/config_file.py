"""The configuration file: read as a whole, and written back with what was changed meanwhile."""

import json
import os

from .config import Config
from ..fs import replace_file
from ..errors import InvalidValue, Unavailable, Unwritable


def read(path, required=False):
    """What the file says, or None if there is none. Raises InvalidValue."""
    try:
        with open(path, encoding="utf-8") as file:
            mapping = json.load(file)
    except FileNotFoundError:
        if required:
            raise InvalidValue("config", "there is no file %s" % path) from None
        return None
    except OSError as error:
        raise InvalidValue("config", "%s cannot be read: %s" % (path, error.strerror)) from None
    except (ValueError, RecursionError) as error:
        raise InvalidValue("config", "%s is not JSON: %s" % (path, error)) from None
    Config.parse(mapping)
    return mapping


def merge(*mappings):
    """One mapping of sections, later ones winning."""
    merged = {}
    for mapping in mappings:
        for section, values in mapping.items():
            merged[section] = dict(merged.get(section, {}), **values) if isinstance(values, dict) else values
    return merged


def write_back(path, changes):
    """Put the changes into the file, if there is one. Raises Unwritable.

    By a new file that takes the name, so that a crash leaves the old one or the new.
    """
    try:
        mapping = read(path)
    except InvalidValue as error:       # not the fault of who asks for the changes
        raise Unwritable("the settings cannot be written: the file there is in disorder: %s" % error) from error
    if mapping is None:
        return
    path = os.path.realpath(path)
    try:
        replace_file(path, json.dumps(merge(mapping, changes), indent=2) + "\n", like=path)
    except OSError as error:
        raise Unavailable("the settings cannot be written to %s: %s" % (path, error.strerror)) from error

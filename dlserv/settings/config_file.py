"""The configuration file, and how changes made while running are written back."""

import json
import os

from ..errors import InvalidValue, Unavailable, Unwritable
from ..fs import read_bounded, replace_file
from .config import Config

LONGEST = 2 ** 24       # bytes of the file


def read(path, required=False):
    """Return the mapping in the file, None if there is no file. Raise InvalidValue."""
    try:
        mapping = json.loads(read_bounded(path, LONGEST).decode("utf-8"))
    except FileNotFoundError:
        if required:
            raise InvalidValue("config", f"there is no file {path}") from None
        return None
    except OSError as error:
        raise InvalidValue("config", f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidValue("config", f"{path} is not JSON: {error}") from None
    Config.parse(mapping)
    return mapping


def merge(*mappings):
    """Return one mapping of sections; later ones win."""
    merged = {}
    for mapping in mappings:
        for section, values in mapping.items():
            merged[section] = dict(merged.get(section, {}), **values) if isinstance(values, dict) else values
    return merged


def write_back(path, changes):
    """Put the changes into the file, if there is one, atomically. Raise Unwritable."""
    try:
        mapping = read(path)
    except InvalidValue as error:       # the caller's changes are not to blame
        raise Unwritable(f"cannot save settings: the configuration file is not valid: {error}") from error
    if mapping is None:
        return
    path = os.path.realpath(path)
    try:
        replace_file(path, json.dumps(merge(mapping, changes), indent=2) + "\n", like=path)
    except OSError as error:
        raise Unavailable(f"the settings cannot be written to {path}: {error.strerror}") from error

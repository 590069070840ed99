"""config: the daemon's settings, read and changed."""

import json

from ..settings.config import AUTOMATION, TABLES
from ..errors import InvalidValue
from ..units import clean, safe_json
from .parser import nearest


def config(client, options, terminals):
    """Change the settings that have values, then print those that are only named, or all."""
    out = terminals[0]
    asked, changes = [], {}     # asked: [(section, key), …], where the key is None in a section without keys
    for word in options.settings:
        name, mark, value = word.partition("=")
        if name in AUTOMATION:
            if mark:
                raise InvalidValue(name, "can be set in the daemon's configuration file only")
            asked.append((name, None))
        elif name in TABLES and not mark:
            asked += [(name, key) for key in TABLES[name].fields]
        elif mark:
            section, key = _find(name.strip())
            changes.setdefault(section, {}).update(_parse(TABLES[section], key, value.strip()))
        else:
            asked.append(_find(name.strip()))
    shown = client.config(changes)
    if asked or not options.settings:
        _print(out, shown, asked, options.json)
    return 0


def _parse(table, key, text):
    if text == "null":
        return table.parse({key: None})
    return table.parse({key: text}, text=True)


def _find(name):
    """Return (section, key) of "section.key", or of a key that only one section has."""
    section, _, key = name.rpartition(".")
    found = [(each, key) for each, table in TABLES.items() if section in ("", each) and key in table.fields]
    if not found:
        names = {each: f"{where}.{each}" for where, table in TABLES.items() for each in table.fields}
        raise InvalidValue(name or "config", "there is no such setting" + nearest(key, names))
    if len(found) > 1:
        raise InvalidValue(name, f"give its section too: {' or '.join(map('.'.join, found))}")
    return found[0]


def _print(out, shown, asked, as_json):
    if len(asked) == 1 and asked[0][1] and not as_json:
        section, key = asked[0]
        return out.write(_text(shown[section][key]))
    if asked:
        shown = {section: {key: shown[section][key] for where, key in asked if where == section}
                 if section in TABLES else shown[section] for section, _ in asked}
    if as_json:
        return out.write(safe_json(shown))
    for section, values in shown.items():
        if section in TABLES:
            out.write(*[f"{section}.{key}={_text(value)}" for key, value in values.items()])
        else:
            out.write(f"{section}={safe_json(values)}")


def _text(value):
    value = " ".join(value) if isinstance(value, list) else value
    return clean(value) if isinstance(value, str) else json.dumps(value)

"""config: the daemon's settings, read and changed."""

import json

from ..settings.config import AUTOMATION, TABLES
from ..errors import InvalidValue
from ..units import clean, safe_json
from .parser import nearest


def config(client, options, terminals):
    """Change the settings that are given values, then print those that are only named, or all."""
    out = terminals[0]
    asked, changes = [], {}
    for word in options.settings:
        name, mark, value = word.partition("=")
        if name in AUTOMATION or name in TABLES and not mark:
            if mark:
                raise InvalidValue(name, "can be set in the daemon's configuration file only")
            asked += [(name, key) for key in TABLES[name].fields] if name in TABLES else [(name, None)]
            continue
        section, key = _find(name.strip())
        if mark:
            changes.setdefault(section, {}).update(_parse(TABLES[section], key, value.strip()))
        else:
            asked.append((section, key))
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
        raise InvalidValue(name, "give its section too: %s" % " or ".join(map(".".join, found)))
    return found[0]


def _print(out, shown, asked, as_json):
    if asked:
        shown = {section: {key: shown[section][key] for where, key in asked if where == section}
                 if section in TABLES else shown[section] for section, _ in asked}
    if as_json:
        out.write(safe_json(shown))
    elif len(asked) == 1 and asked[0][1]:
        out.write(_text(shown[asked[0][0]][asked[0][1]]))
    else:
        out.write(*["%s.%s=%s" % (section, key, _text(value)) if key else section + "=" + safe_json(value)
                    for section, values in shown.items()
                    for key, value in (values.items() if section in TABLES else [(None, values)])])


def _text(value):
    """Return the value as `config KEY=VALUE` takes it."""
    value = " ".join(value) if isinstance(value, list) else value
    return clean(value) if isinstance(value, str) else json.dumps(value)

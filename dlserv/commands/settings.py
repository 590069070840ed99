"""config: the daemon's settings, read and changed."""

import json

from ..settings.config import TABLES
from ..errors import InvalidValue
from ..units import clean


def config(client, options, terminals):
    """Change what has a value, then print what has none, or everything."""
    out = terminals[0]
    asked, changes = [], {}
    for word in options.settings:
        name, mark, value = word.partition("=")
        if name in TABLES and not mark:
            asked += [(name, key) for key in TABLES[name].fields]
            continue
        section, key = _find(name.strip())
        if mark:
            changes.setdefault(section, {}).update(_parse(TABLES[section], key, value.strip()))
        else:
            asked.append((section, key))
    shown = (client.post("/config", changes) if changes else client.get("/config"))["config"]
    if asked or not options.settings:
        _print(out, shown, asked, options.json)
    return 0


def _parse(table, key, text):
    if text == "null":
        return table.parse({key: None})
    return table.parse({key: text}, text=True)


def _find(name):
    """(section, key) of "section.key", or of a key that only one section has."""
    section, _, key = name.rpartition(".")
    found = [(each, key) for each, table in TABLES.items() if section in ("", each) and key in table.fields]
    if len(found) != 1:
        raise InvalidValue(name or "config", "there is no such setting" if not found else
                           "give its section too: %s" % " or ".join(map(".".join, found)))
    return found[0]


def _print(out, shown, asked, as_json):
    if asked:
        shown = {section: {key: shown[section][key] for where, key in asked if where == section}
                 for section, _ in asked}
    if as_json:
        out.write(json.dumps(shown, ensure_ascii=False))
    elif len(asked) == 1:
        out.write(_text(shown[asked[0][0]][asked[0][1]]))
    else:
        out.write(*["%s.%s=%s" % (section, key, _text(value))
                    for section, values in shown.items() for key, value in values.items()])


def _text(value):
    """As `config KEY=VALUE` takes it."""
    value = " ".join(value) if isinstance(value, list) else value
    return clean(value) if isinstance(value, str) else json.dumps(value)

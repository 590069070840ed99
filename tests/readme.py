"""README's tables, made from the tables in the code.

    python3 tests/readme.py     rewrites them in README; a test checks that it has been done
"""

import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from dlserv.settings import config, options  # noqa: E402
from dlserv.api.routes import ROUTES  # noqa: E402
from dlserv.commands.catalogue import COMMANDS  # noqa: E402

README = os.path.join(ROOT, "README")


def table(heading, rows):
    """A table that reads well as plain text and as Markdown."""
    rows = [heading] + rows
    widths = [max(len(row[column]) for row in rows) for column in range(len(heading) - 1)]
    lines = ["| " + " | ".join([cell.ljust(width) for cell, width in zip(row, widths)] + [row[-1]]) + " |"
             for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths + [len(heading[-1])]) + "|")
    return "\n".join(lines)


def routes():
    return table(("method", "path", "what it does"),
                 [(route.method, "`%s`" % route.path, route.summary) for route in ROUTES])


def settings():
    return table(("key", "default", "meaning"),
                 [("%s.%s" % (section, field.name), _default(field), field.doc)
                  for section, fields in config.TABLES.items() for field in fields.fields.values()])


def automation():
    return table(("of the file alone", "default", "meaning"),
                 [(("%s.%s" if section == "hooks" else "%s[].%s") % (section, field.name), _default(field), field.doc)
                  for section, fields in config.AUTOMATION.items() for field in fields.fields.values()])


def task_options():
    return table(("option", "default", "meaning"),
                 [(field.name, _default(field), field.doc) for field in options.TABLE.fields.values()])


def client_commands():
    return table(("command", "what it does"), [("`%s`" % command.name, command.help) for command in COMMANDS])


def _default(field):
    special = {"download_dir": "~/Downloads", "db_path": "see below", "user_agent": "dlserv/" + config.__version__}
    if field.default is None:
        return special.get(field.name, "")
    return special.get(field.name, json.dumps(field.default))


def rewritten(text):
    """README with every generated table as it should be."""
    for made in (routes(), settings(), automation(), task_options(), client_commands()):
        head = re.escape(re.sub(" +", " ", made.split("\n")[0])).replace(r"\ ", " +")
        text, count = re.subn("(?m)^%s *\n(?:\\|.*\n)+" % head, lambda match: made + "\n", text)
        assert count == 1, made.split("\n")[0]
    return text


if __name__ == "__main__":
    with open(README, encoding="utf-8") as file:
        old = file.read()
    with open(README, "w", encoding="utf-8") as file:
        file.write(rewritten(old))

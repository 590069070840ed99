"""One argument of a command as a row, and how the flags of other programs read as options of a task."""

import argparse
from collections import namedtuple

from ..errors import InvalidValue


class Argument(namedtuple("Argument", "flags options values aliases")):
    """The parameters of argparse's add_argument, and two more.

    values   for the completion: words, or one of "tasks", "files", "folders", "settings", "options"
    aliases  flags that are taken as well, but not listed in the help
    """

    __slots__ = ()

    def __new__(cls, *flags, values=(), aliases=(), **options):
        return super().__new__(cls, flags, options, values or options.get("choices", ()), aliases)

    @property
    def is_positional(self):
        return not self.flags[0].startswith("-")

    @property
    def takes_value(self):
        return self.options.get("action") not in ("store_true", "version") and self.options.get("nargs") != 0


class Typed(str):
    """The value of a flag, which remembers the flag as it was typed."""


    def __new__(cls, text, flag):
        typed = super().__new__(cls, text)
        typed.flag = flag
        return typed


class Remember(argparse.Action):
    """Store the value as a Typed."""

    def __call__(self, parser, namespace, value, flag=None):
        setattr(namespace, self.dest, Typed(value, flag))


class Collect(argparse.Action):
    """Append the value as a Typed."""

    def __call__(self, parser, namespace, value, flag=None):
        setattr(namespace, self.dest, (getattr(namespace, self.dest) or []) + [Typed(value, flag)])


class TaskOption(argparse.Action):
    """Append (flag as typed, option of a task, its text) to `given`.

    `read` turns the flag's value into [(option, text), …]; it raises ValueError.
    """

    def __init__(self, option_strings, dest, option=None, read=None, fixed=None, **more):
        super().__init__(option_strings, "given", **more)
        self._option, self._read, self._fixed = option, read, fixed

    def __call__(self, parser, namespace, value, flag=None):
        text = value if self._fixed is None else self._fixed
        try:
            pairs = self._read(text) if self._read else [(self._option, text)]
        except ValueError as error:
            raise InvalidValue(flag, str(error)) from None
        namespace.given = (namespace.given or []) + [(flag, name, each) for name, each in pairs]


# -- how the flags of other programs read as options of a task -----------------------------

def read_tries(text):
    """Return the retries that a count of tries means to wget and aria2: one less, and 0 is without end."""
    return read_option("max-tries=" + text)


def read_user(text):
    """Return the user, and the password if there is a colon."""
    user, colon, password = text.partition(":")
    return [("user", user)] + ([("password", password)] if colon else [])


def read_checksum(text):
    """Return the checksum of `sha256:<hex>` as well as of `sha-256=<hex>`."""
    return [("checksum", text if "=" in text else text.replace(":", "=", 1))]


def read_mirror(text):
    """Return the mirror; blanks stand between mirrors where there are several."""
    return [("mirrors", text.strip().replace(" ", "%20"))]


def read_option(text):
    """Return the option of `name=value`, by our names or aria2's."""
    from ..settings import inputfile
    texts = {}
    try:
        inputfile.put(texts, text)
    except InvalidValue as error:
        raise ValueError(error.reason) from None
    return list(texts.items())

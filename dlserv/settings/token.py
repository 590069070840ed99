"""The token that clients must send: given in the settings, or in a file of its own."""

import os

from ..fs import replace_file
from ..errors import InvalidValue, Unwritable


def path_beside(db_path):
    """Where a token is kept that was made by the daemon itself."""
    return os.path.splitext(os.path.abspath(db_path))[0] + ".token"


def of(settings):
    """The token of the section `server`, or None if none is wanted. Raises InvalidValue."""
    if settings.token or not settings.token_file:
        return settings.token or None
    return read(settings.token_file)


def read(path, key="server.token_file"):
    """The first line of the file. Raises InvalidValue, naming the key that named it."""
    try:
        with open(path, encoding="ascii") as file:
            token = file.readline(4096).strip()
    except OSError as error:
        raise InvalidValue(key, "%s cannot be read: %s" % (path, error.strerror)) from None
    except UnicodeDecodeError:
        token = ""
    if not is_fit(token):
        raise InvalidValue(key, "the first line of %s is not a token" % path)
    return token


def is_fit(token):
    """Whether it can stand in a header: up to 1024 visible characters of ASCII."""
    return 0 < len(token) <= 1024 and all("!" <= char <= "~" for char in token)


def make(path):
    """A new token, kept in a file for the owner's eyes: all of it or no file. Raises Unwritable."""
    import secrets
    token = secrets.token_urlsafe(32)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        replace_file(path, token + "\n")
    except OSError as error:
        raise Unwritable("the token cannot be kept in %s: %s; name one by --token-file, or let everybody in "
                         "by --no-token" % (path, error.strerror)) from error
    return token


def check_secret(text):
    """The key of a webhook, if it is one: "whsec_" and Base64, or up to 1024 visible characters.

    Raises ValueError.
    """
    if not isinstance(text, str) or not is_fit(text):
        raise ValueError("it is not made of visible ASCII characters")
    key_of(text)
    return text


def key_of(secret):
    """The bytes of such a key. Raises ValueError."""
    import base64
    if not secret.startswith("whsec_"):
        return secret.encode("ascii")
    try:
        return base64.b64decode(secret[len("whsec_"):], validate=True)
    except ValueError:
        raise ValueError("what follows whsec_ is not Base64") from None

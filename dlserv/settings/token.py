"""The token that clients must send, and the keys of webhooks."""

import os

from ..errors import InvalidValue, Unwritable
from ..fs import read_bounded, replace_file
from .values import Refusal

SHORTEST = 16           # characters that a server accepts
LONGEST = 1024
LONGEST_FILE = 2 ** 16


def path_beside(db_path):
    """Return the path of a token that the daemon makes itself."""
    return os.path.splitext(os.path.abspath(db_path))[0] + ".token"


def of(settings):
    """Return the token of the section `server`, or None. Raise InvalidValue."""
    key, found = "server.token", settings.token or None
    if found is None and settings.token_file:
        key, found = "server.token_file", read(settings.token_file)
    if found is not None and len(found) < SHORTEST:
        raise InvalidValue(key, f"the token has fewer than {SHORTEST} characters and could be guessed; "
                           "choose a longer one, such as `openssl rand -hex 16` prints")
    return found


def read(path, key="server.token_file"):
    """Return the first line of the file. Raise InvalidValue for `key`, the setting that names it."""
    try:
        data = read_bounded(path, LONGEST_FILE)
    except OSError as error:
        raise InvalidValue(key, f"{path} cannot be read: {error.strerror}") from None
    token = data.partition(b"\n")[0].strip().decode("ascii", "replace")
    if not is_fit(token):
        raise InvalidValue(key, f"the first line of {path} is not a token")
    return token


def is_fit(token):
    """Return whether the token can stand in a header: 1 to 1024 visible characters of ASCII."""
    return 0 < len(token) <= LONGEST and all("!" <= char <= "~" for char in token)


def check(value):
    """Return the value if it is a token that `is_fit`. Raise Refusal."""
    if not isinstance(value, str) or not is_fit(value):
        raise Refusal("it is not made of visible ASCII characters")
    return value


def make(path):
    """Return a new token, stored in a file that only its owner can read. Raise Unwritable."""
    import secrets
    token = secrets.token_urlsafe(32)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        replace_file(path, token + "\n")
    except OSError as error:
        raise Unwritable(f"the token cannot be kept in {path}: {error.strerror}; name one with --token-file, "
                         "or let everybody in with --no-token") from error
    return token


def key_of(secret):
    """Return the bytes of a webhook's key, which is "whsec_" and Base64, or a text. Raise Refusal."""
    import base64
    if not secret.startswith("whsec_"):
        return secret.encode("ascii")
    try:
        return base64.b64decode(secret[len("whsec_"):], validate=True)
    except ValueError:
        raise Refusal("what follows whsec_ is not Base64") from None

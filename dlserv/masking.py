"""Which values are secret, and how a value or a name is shown to people.

MASK stands for a secret wherever settings, options and URLs are shown.
"""

import json
import re

MASK = "***"

_SENSITIVE = re.compile(r"auth|cookie|token|key|secret|passw|session|signature", re.IGNORECASE)
_SECRET_NAME = re.compile(r"token|pass(?:w|phr)|pwd|secret|signature|credential|session|jwt|bearer|authoriz|"
                          r"(?:api|access|auth|pass).?key|"
                          r"(?:^|[\W_]|(?-i:[a-z](?=[A-Z])))(?:key|sig|sign|auth|pass|sid)[\W\d]*$", re.IGNORECASE)

# C0 and C1 controls, line and paragraph separators, invisible and bidirectional formatting
# characters (Unicode's Bidi_Control), lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
                          "\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")


def is_sensitive(header):
    """Return whether a header of this name may carry a credential."""
    return _SENSITIVE.search(header) is not None


def is_secret(name):
    """Return whether a URL's query parameter of this name may carry a credential."""
    return _SECRET_NAME.search(name) is not None


def hide(value):
    """Return the mask for a value that is secret as a whole; an empty value stays as it is."""
    return MASK if value else value


def mask_headers(headers):
    """Return the headers with the mask for each sensitive value."""
    return {name: MASK if is_sensitive(name) else value for name, value in headers.items()}


def printable(text, instead="_"):
    """Return the text with `instead` for each character that could forge or hide what a person reads."""
    return text if text.isascii() and text.isprintable() else _UNPRINTABLE.sub(instead, text)


def shown(value, most=80):
    """Return the value as JSON in ASCII, at most `most` characters of it."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= most else text[:most - 1] + "…"

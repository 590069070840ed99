"""Decide which values are secret, and mask them for display."""

import json
import re

MASK = "***"

_SENSITIVE = re.compile(r"auth|cookie|token|key|secret|passw|session|signature", re.IGNORECASE)
_SECRET_NAME = re.compile(r"token|pass(?:w|phr)|pwd|secret|signature|credential|session|jwt|bearer|authoriz|"
                          r"(?:api|access|auth|pass).?key|"
                          r"(?:^|[\W_]|(?-i:[a-z](?=[A-Z])))(?:key|sig|sign|auth|pass|sid)[\W\d]*$", re.IGNORECASE)


def is_sensitive(header):
    """Return whether a header of this name may carry a credential."""
    return _SENSITIVE.search(header) is not None


def is_secret(name):
    """Return whether a URL's query parameter of this name may carry a credential."""
    return _SECRET_NAME.search(name) is not None


def hide(value):
    """Return the mask in place of a secret value, or an empty value unchanged."""
    return MASK if value else value


def mask_headers(headers):
    return {name: MASK if is_sensitive(name) else value for name, value in headers.items()}


def shown(value, most=80):
    """Return the value as JSON in ASCII, cut to `most` characters."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= most else text[:most - 1] + "…"

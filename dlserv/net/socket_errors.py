"""The meaning of a socket's OSError: wait and try again, or one of our exceptions."""

import errno
import os
import selectors
import sys
import time

from ..errors import Offline, Permanent, Temporary, WrongClock
from ..exhaustion import exhaustion_in

_NOT_YET_VALID, _NO_ISSUER = 9, 20      # OpenSSL's X509_V_ERR_…
# Errors on a machine without a route to any server, or to any of that address family.
NO_NETWORK = tuple(getattr(errno, name) for name in (
    "ENETUNREACH", "ENETDOWN", "EHOSTUNREACH", "EADDRNOTAVAIL", "ENONET", "EAFNOSUPPORT", "EACCES", "EPERM")
    if hasattr(errno, name))


def loaded_ssl():
    """Return the ssl module, or None before the first https task loads it, which takes 5 MiB."""
    return sys.modules.get("ssl")


def awaited(error, writing):
    """Return the selector event to wait for before the failed call is repeated, or 0."""
    ssl = loaded_ssl()
    if isinstance(error, (BlockingIOError, InterruptedError)):
        return selectors.EVENT_WRITE if writing else selectors.EVENT_READ
    if ssl is not None and isinstance(error, ssl.SSLWantReadError):
        return selectors.EVENT_READ
    return selectors.EVENT_WRITE if ssl is not None and isinstance(error, ssl.SSLWantWriteError) else 0


def connection_error(error):
    """Return our exception for a socket's OSError."""
    ssl = loaded_ssl()
    if ssl is not None and isinstance(error, ssl.SSLError):
        return _tls_error(ssl, error)
    if isinstance(error, ConnectionRefusedError):
        return Temporary("the connection was refused", word="refused")
    if isinstance(error, ConnectionError):
        return Temporary("the connection was reset", word="network")
    family = Offline if error.errno in NO_NETWORK else Temporary
    return family(f"the connection failed: {error.strerror or error}", word="network")


def _tls_error(ssl, error):
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_error(error)
    reason = getattr(error, "reason", None) or str(error)
    exhausted = _lack_of_files() if reason == "CERTIFICATE_VERIFY_FAILED" else None     # as Python 3.8 has it then
    if exhausted is not None:
        return exhausted
    if isinstance(error, ssl.SSLEOFError) or reason == "UNEXPECTED_EOF_WHILE_READING":
        return Temporary("the TLS connection was closed without a closing message", word="tls")
    return Temporary(f"the TLS connection failed: {reason.replace('_', ' ').lower()}", word="tls")


def _certificate_error(error):
    hint = ""
    if error.verify_code == _NOT_YET_VALID:
        return WrongClock(f"the certificate is not valid yet: this machine's clock says "
                          f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC")
    if error.verify_code == _NO_ISSUER:
        exhausted = _lack_of_files()
        if exhausted is not None:
            return exhausted
        hint = "; are the CA certificates installed (package ca-certificates)?"
    return Permanent(f"certificate verify failed: {error.verify_message}{hint}", word="tls")


def _lack_of_files():
    """Return an Exhausted if no file can be opened: OpenSSL finds no issuer in a folder then."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return exhaustion_in(error)
    return None

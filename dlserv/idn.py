"""Host names outside ASCII, converted as browsers and curl do (UTS 46, non-transitional).

Python's idna codec implements IDNA 2003, which replaces ß and ς and drops the two joiners, and
so names another host. Its tables are right for all other characters.
"""

import re

from .exhaustion import check_missing

SHARP_S, FINAL_SIGMA, ZWNJ, ZWJ = "\u00df", "\u03c2", "\u200c", "\u200d"

_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_KEPT = {SHARP_S: SHARP_S, "\u1e9e": SHARP_S, FINAL_SIGMA: FINAL_SIGMA, ZWNJ: ZWNJ, ZWJ: ZWJ}
_LONGEST_LABEL, _LONGEST_NAME = 63, 255     # characters
_VIRAMA = 9     # the combining class


class NeedsCodec(ValueError):
    """This Python lacks the Unicode tables or the punycode codec."""


def to_ascii(host):
    """Return the host name in ASCII and lower case. Raise ValueError with the reason, or Exhausted."""
    if host.isascii():
        return host.lower()
    try:
        return ".".join(map(_label_to_ascii, _DOTS.split(host)))
    except (ImportError, LookupError) as error:
        check_missing(error)
        raise NeedsCodec("has a host name outside ASCII; for that, install python3-codecs here") from None
    except UnicodeError:
        raise ValueError("has a host that is not a valid international name") from None


def comparable(name):
    """Return the host name in ASCII and lower case, without a final dot; any other text in lower case."""
    try:
        return to_ascii(name).rstrip(".")
    except ValueError:
        return name.lower()


def _label_to_ascii(label):
    if label.isascii():
        return label.lower()
    mapped = _mapped(label[:_LONGEST_NAME])
    if not mapped.isascii() and len(mapped) < _LONGEST_LABEL:
        _check(mapped)
        mapped = "xn--" + mapped.encode("punycode").decode("ascii")
    if not 0 < len(mapped) <= _LONGEST_LABEL or "." in mapped or len(label) > _LONGEST_NAME:
        raise UnicodeError("the label is empty, too long, or was two")
    return mapped


def _mapped(label):
    """Return the label in lower case and NFKC, without ignored characters (RFC 3454, B.1 and B.2)."""
    import stringprep
    import unicodedata
    folded = (_KEPT.get(char) or (not stringprep.in_table_b1(char) and stringprep.map_table_b2(char)) or ""
              for char in label)
    return unicodedata.normalize("NFKC", "".join(folded))


def _check(label):
    """Raise UnicodeError for prohibited characters, joiners that join nothing and mixed directions."""
    from encodings.idna import nameprep
    nameprep(label.replace(ZWJ, "").replace(ZWNJ, ""))      # RFC 3491's prohibitions
    if label.startswith("xn--"):
        raise UnicodeError("the label is encoded already")
    if not all(_joins(label, index) for index, char in enumerate(label) if char in (ZWJ, ZWNJ)):
        raise UnicodeError("the label has a joiner where nothing joins")


def _joins(label, index):
    """Return whether a joiner is allowed at the index (RFC 5892, A.1 and A.2).

    Python has no joining types; letters without case are taken for letters that join.
    """
    import unicodedata
    before, behind = label[:index], label[index + 1:].lstrip(ZWJ + ZWNJ)
    if before and unicodedata.combining(before[-1]) == _VIRAMA:
        return True
    bases = [char for char in before if unicodedata.category(char) != "Mn"][-1:] + list(behind[:1])
    return (label[index] == ZWNJ and len(bases) == 2
            and all(unicodedata.category(char) == "Lo" for char in bases))

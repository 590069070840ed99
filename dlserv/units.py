"""Numbers, times and words between machines and people.

The only place that turns bytes, seconds and percents into text, and the texts that
people and servers write ("512K", an HTTP date, "Retry-After: 120") into numbers.
"""

import json
import math
import re
import time

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_LONGEST_DATE = 64      # characters; the longest of the three formats has 33
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_USUAL_DATE = re.compile("[A-Z][a-z]{2}, ([0-9]{2}) (" + _MONTHS + ") ([1-9][0-9]{3}) "
                         "([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT")
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def utf8_of(header):
    """What a header's bytes, read as Latin-1, say in UTF-8 if they can be that."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def parse_size(text):
    """Bytes from "512K", "2M", "1.5GiB" or "1000": powers of 1024. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("%.60r is not a size such as 500000, \"512K\" or \"2M\"" % text)
    if len(match.group(1)) > 20:
        raise ValueError("%.20s… is too large a size" % text)
    return int(float(match.group(1)) * 1024 ** _POWER[match.group(2).lower()])


def format_size(count):
    """"1.5 MiB" from bytes; three significant digits are enough for a person."""
    if count < 1024:
        return "%d B" % count
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        count /= 1024.0
        if count < 999.5 or unit == "TiB":
            return "%.*f %s" % (1 if count < 99.95 else 0, count, unit)


_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def format_progress(done, total):
    """Return "1.9 of 40 GiB", "19 MiB so far" while the total is unknown (0), "40 GiB" when all is here."""
    power = 0
    while power < 4 and (total or done) >= 999.5 * 1024 ** power:
        power += 1
    whole, here = _short(total / 1024 ** power), _short(done / 1024 ** power)
    if not total:
        return f"{here} {_UNITS[power]} so far"
    return f"{whole} {_UNITS[power]}" if done >= total else f"{here} of {whole} {_UNITS[power]}"


def _short(number):
    return re.sub(r"\.0$", "", "%.*f" % (1 if number < 99.95 else 0, number))


def format_seconds(seconds):
    """"45 s", "3 min 20 s" or "2 h 5 min"."""
    seconds = int(math.ceil(seconds))
    if seconds < 60:
        return "%d s" % seconds
    if seconds < 3600:
        return "%d min %d s" % divmod(seconds, 60)
    return "%d h %d min" % divmod(seconds // 60, 60)


def percent(done, total):
    """"42.7%", rounded down, so that nothing unfinished ever reads as "100.0%"."""
    if not total:
        return "0.0%"
    return "%.1f%%" % (min(999, done * 1000 // total) / 10.0)


def _epoch_seconds(day, month, year, hour, minute, second):
    """Return the epoch seconds of a time in UTC, or None if there is no such time."""
    from datetime import date
    try:
        days = date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def parse_http_date(text):
    """Return epoch seconds from any of the three HTTP dates (RFC 9110, 5.6.7), or None."""
    if not text or len(text) > _LONGEST_DATE:
        return None
    usual = _USUAL_DATE.fullmatch(text)
    if usual is not None:
        day, month, *rest = usual.groups()
        return _epoch_seconds(int(day), _MONTHS.index(month) // 4 + 1, *map(int, rest))
    from datetime import timezone
    from email.utils import parsedate_to_datetime
    try:
        date = parsedate_to_datetime(text)
        return int(date.replace(tzinfo=date.tzinfo or timezone.utc).timestamp())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def format_http_date(seconds):
    """The HTTP date of epoch seconds (RFC 9110, 5.6.7)."""
    from email.utils import formatdate
    return formatdate(int(seconds), usegmt=True)


def parse_retry_after(text, now=None):
    """Seconds to wait from a Retry-After (RFC 9110, 10.2.3) of either form, or None."""
    text = (text or "").strip()
    if re.fullmatch("[0-9]{1,9}", text):
        return int(text)
    date = parse_http_date(text)
    if date is None:
        return None
    return max(0, date - (time.time() if now is None else now))


# C0 and C1 controls, line ends, lone surrogates, and what is invisible or turns text around
# (Unicode's Bidi_Control); not the joiners, which Persian and emoji are written with.
_DANGEROUS = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
                        "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")


def clean(text, instead="\ufffd"):
    """Return the text with `instead` for whatever moves the cursor, breaks the line or turns it around.

    `instead` is a string, or a function as re.sub takes it.
    """
    return text if text.isascii() and text.isprintable() else _DANGEROUS.sub(instead, text)


def safe_json(value):
    """Return the value as JSON on one line; what steers a terminal is escaped, lone surrogates are "?"."""
    return clean(json.dumps(value, ensure_ascii=False), _escape)


def _escape(match):
    char = match.group()
    return "?" if "\ud800" <= char <= "\udfff" else json.dumps(char)[1:-1]

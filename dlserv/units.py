"""Sizes, times and percentages as text, and back, and text that is safe to show. No other module does it."""

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
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def utf8_of(header):
    """Return a header value, read as Latin-1, decoded as UTF-8 if it is that."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def parse_size(text):
    """Return the bytes of "512K", "2M", "1.5GiB" or "1000", in powers of 1024. Raise ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("%.60r is not a size such as 500000, \"512K\" or \"2M\"" % text)
    if len(match.group(1)) > 20:
        raise ValueError("%.20s… is too large a size" % text)
    return int(float(match.group(1)) * 1024 ** _POWER[match.group(2).lower()])


def format_size(count):
    """Return bytes as "1.5 MiB", with three significant digits."""
    if count < 1024:
        return "%d B" % count
    power = _power(count)
    return f"{_rounded(count / 1024 ** power)} {_UNITS[power]}"


def format_progress(done, total):
    """Return "1.9 of 40 GiB"; "19 MiB so far" if `total` is 0, i.e. unknown; "40 GiB" when complete."""
    power = _power(total or done)
    whole, here = [re.sub(r"\.0$", "", _rounded(count / 1024 ** power)) for count in (total, done)]
    if not total:
        return f"{here} {_UNITS[power]} so far"
    return f"{whole} {_UNITS[power]}" if done >= total else f"{here} of {whole} {_UNITS[power]}"


def _power(count):
    """Return the index of the unit in which the count has at most three digits before the point."""
    return next((power for power in range(4) if count < 999.5 * 1024 ** power), 4)


def _rounded(number):
    return "%.*f" % (1 if number < 99.95 else 0, number)


def format_seconds(seconds):
    """Return "45 s", "3 min 20 s" or "2 h 5 min"."""
    seconds = int(math.ceil(seconds))
    if seconds < 60:
        return "%d s" % seconds
    if seconds < 3600:
        return "%d min %d s" % divmod(seconds, 60)
    return "%d h %d min" % divmod(seconds // 60, 60)


def percent(done, total):
    """Return "42.7%", rounded down, so that an unfinished file never shows "100.0%"."""
    return "%.1f%%" % (min(999, done * 1000 // total) / 10.0 if total else 0)


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def parse_days(text):
    """Return {0, …, 6} for "mon-fri", "sat,sun" or "fri-mon"; Monday is 0. Raise ValueError."""
    days = set()
    for part in text.lower().split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        if first not in _DAYS or dash and last not in _DAYS:
            raise ValueError("%.60r is not a list of days such as \"mon-fri\" or \"sat,sun\"" % text)
        first, last = _DAYS.index(first), _DAYS.index(last if dash else first)
        days.update(day % 7 for day in range(first, last + 1 + 7 * (last < first)))
    return days


def parse_clock(text):
    """Return minutes since midnight for "07:00"; "24:00" is the end of the day. Raise ValueError."""
    match = re.fullmatch("([0-9]{1,2}):([0-5][0-9])", text)
    minutes = int(match.group(1)) * 60 + int(match.group(2)) if match else 1441
    if minutes > 1440:
        raise ValueError("%.60r is not a time such as \"07:00\"" % text)
    return minutes


_TIME = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)(?:(Z)|([+-]\d\d):?([0-5]\d))?",
                   re.ASCII | re.IGNORECASE)


def parse_time(text):
    """Return epoch seconds for "2026-09-08T02:00", local time unless "Z" or "+02:00" follows.

    Raise ValueError.
    """
    from datetime import datetime
    match = _TIME.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        moment, utc, hours, minutes = match.groups()
        zone = "+00:00" if utc else f"{hours}:{minutes}" if hours else ""
        return int(datetime.fromisoformat(moment + zone).timestamp())
    except (ValueError, OverflowError, OSError):
        raise ValueError("%.60r is not a time such as \"2026-09-08T02:00\"" % text) from None


def parse_http_date(text):
    """Return epoch seconds from any of the three HTTP dates (RFC 9110, 5.6.7), or None."""
    if not text or len(text) > _LONGEST_DATE:
        return None
    from datetime import datetime, timezone
    usual = _USUAL_DATE.fullmatch(text)
    try:
        if usual is not None:
            day, month, year, *clock = usual.groups()
            date = datetime(int(year), _MONTHS.index(month) // 4 + 1, int(day), *map(int, clock))
        else:
            from email.utils import parsedate_to_datetime
            date = parsedate_to_datetime(text)
        return int(date.replace(tzinfo=date.tzinfo or timezone.utc).timestamp())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def format_http_date(seconds):
    from email.utils import formatdate
    return formatdate(int(seconds), usegmt=True)


def parse_retry_after(text, now=None):
    """Return the seconds that a Retry-After asks for, in either form (RFC 9110, 10.2.3), or None."""
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
    """Replace control and invisible characters by `instead`, a string or function as for re.sub."""
    return text if text.isascii() and text.isprintable() else _DANGEROUS.sub(instead, text)


_to_json = json.JSONEncoder(ensure_ascii=False).encode      # dumps would make an encoder each time


def safe_json(value):
    """Return the value as one line of JSON; control characters are escaped, lone surrogates are "?"."""
    text = _to_json(value)
    return text if text.isascii() and "\x7f" not in text else clean(text, _escape)


def _escape(match):
    char = match.group()
    return "?" if "\ud800" <= char <= "\udfff" else json.dumps(char)[1:-1]

"""Lists of URLs in the format of aria2's input files, for `add -i` and `--import`.

A line has a URL, or a file's mirrors separated by tabs; indented lines below are its options,
`name=value`, by our names or aria2's; # begins a comment. Metalink files and the shortcuts that
desktops make of links (.url, .desktop, .webloc) are recognized by their content.
"""

import codecs
import re

from . import options
from ..errors import InvalidValue, MissingModule
from ..exhaustion import check_missing

# aria2's names for what we have, as they stand in its lists.
_ARIA2 = {"out": "filename", "header": "headers", "max_download_limit": "ratelimit", "split": "connections",
          "max_connection_per_server": "connections", "pause": "paused",
          "http_user": "user", "http_passwd": "password", "ftp_user": "user", "ftp_passwd": "password",
          "all_proxy": "proxy", "check_certificate": "verify_tls"}
_BETWEEN = {"headers": "\n", "mirrors": " "}        # what may be said more than once


class Entry:
    """A URL with the lines of its options; `where` is its place in the list, to begin a sentence."""

    def __init__(self, url, where="", mirrors=()):
        self.url, self.where = url, where
        self._lines = ["mirrors=" + each.replace(" ", "%20") for each in mirrors]

    def put(self, line):
        self._lines.append(line)

    def options(self, common=None):
        """Return the checked options, on top of those in `common`, which are text. Raise InvalidValue."""
        own = {}
        for line in self._lines:
            put(own, line)
        if "gid" in own:        # aria2's session, which has options that are not ours, and an absolute folder
            own = {name: text for name, text in own.items() if name in options.TABLE.fields
                   and (name != "dir" or options.is_folder(text))}
        return options.parse(dict(common or {}, **own), text=True)


def put(texts, line):
    """Add `name=value` to the {option: text}. Raise InvalidValue."""
    name, mark, value = line.partition("=")
    name, value = name.strip().replace("-", "_"), value.strip()
    if not mark:
        raise InvalidValue("option", f"{line[:80]!r} is not name=value")
    if name == "max_tries":
        name, value = "retries", _retries(value)
    if name == "split" and re.fullmatch("[0-9]{2,9}", value):
        value = str(min(int(value), options.MOST_CONNECTIONS))
    name = _ARIA2.get(name, name)
    texts[name] = _BETWEEN[name].join([texts[name], value]) if name in _BETWEEN and name in texts else value


def _retries(tries):
    if re.fullmatch("[0-9]{1,9}", tries) is None:
        raise InvalidValue("max-tries", f"{tries[:80]!r} is not a number of tries")
    return str(options.retries_of(int(tries)))


def read(data, name, key):
    """Return the Entries in the bytes of the list `name`. Raise InvalidValue, of `key` for the whole list."""
    if data.startswith(b"bplist"):
        return [_binary_webloc(data, name, key)]
    text = _text_of(data)
    if text is None:
        raise InvalidValue(key, f"{name} is not text in UTF-8")
    if text.lstrip()[:1] == "<":
        return _read_xml(text, name, key)
    section = _link_section(text)
    return _read_lines(text.splitlines(), name) if section is None \
        else [_shortcut(r"(?mi)^URL(?:\[\$e\])?\s*=[ \t]*(.*)", section, name, key)]


def _text_of(data):
    """Return the text of a list, or of a shortcut in the code page of some Windows, or None.

    It may be in UTF-16, which Windows calls Unicode; XML may not.
    """
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
        return None if wide and text.lstrip()[:1] == "<" else text
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        return None if _link_section(text) is None else text


def _link_section(text):
    """Return the section with the link of a .url or .desktop file, or None."""
    lines = (line.strip() for line in text.splitlines())
    if next((line for line in lines if line and line[0] not in "#;"), "")[:1] != "[":
        return None
    heading = re.search(r"(?mi)^[ \t]*\[(?:InternetShortcut|Desktop Entry)\]", text)
    return heading and re.split(r"\n[ \t]*\[", text[heading.end():], maxsplit=1)[0]


def _read_lines(lines, name):
    entries = []
    for number, line in enumerate(lines, 1):
        where = f"{name}, line {number}: "
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] not in " \t":
            url, *mirrors = line.split("\t")
            entries.append(Entry(url.strip(), where, [each.strip() for each in mirrors if each.strip()]))
        elif not entries:
            raise InvalidValue(where + "option", "there is no URL above it")
        else:
            entries[-1].put(line.strip())
    return entries


def _read_xml(text, name, key):
    """Return the entries of a Metalink or a .webloc, which is a property list."""
    if re.search("<plist", text[:1000]):
        return [_shortcut(r"<key>URL</key>\s*<string>([^<]*)", text, name, key)]
    from . import metalink
    return [_metalink_entry(file, f"{name}, file {number}: ")
            for number, file in enumerate(metalink.read(text, name, key), 1)]


def _metalink_entry(file, where):
    first, *others = file.urls or [""]
    entry = Entry(first, where, others[:options.MOST_MIRRORS])
    folder, slash, filename = file.name.rpartition("/")
    if file.name:
        entry.put("out=" + filename)
    if slash:
        entry.put("dir=" + folder)
    if file.checksum:
        entry.put("checksum=" + file.checksum)
    return entry


def _shortcut(pattern, text, name, key):
    import html
    found = re.search(pattern, text)
    if found is None or not found.group(1).strip():
        raise InvalidValue(key, f"{name} has no URL in it")
    url = found.group(1).strip()
    return Entry(html.unescape(url) if text.lstrip()[:1] == "<" else url, name + ": ")


def _binary_webloc(data, name, key):
    try:
        import plistlib
    except ImportError as error:
        check_missing(error)
        raise MissingModule("a binary .webloc", "python3-xml") from None
    try:
        return Entry("" + plistlib.loads(data)["URL"], name + ": ")
    except Exception as error:      # plistlib raises whatever a malformed one leads to
        raise InvalidValue(key, f"{name} is not a shortcut to a URL") from error

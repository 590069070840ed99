"""The flags of wget, curl and aria2c as options of a task."""

import pytest

from dlserv.commands import parser


def given(*arguments):
    """Return {option: text} of a `get` with these flags."""
    _, options = parser.parse(["get", *arguments, "http://h/"])
    return {name: text for _, name, text in options.given or ()}


@pytest.mark.parametrize("arguments, options", [
    (["-x", "4"], {"connections": "4"}), (["--split", "4"], {"connections": "4"}),
    (["--max-connection-per-server=4"], {"connections": "4"}), (["-H", "A: b"], {"headers": "A: b"}),
    (["-U", "a/1"], {"user_agent": "a/1"}), (["-A", "a/1"], {"user_agent": "a/1"}),
    (["--user-agent=a/1"], {"user_agent": "a/1"}), (["-e", "http://r/"], {"referer": "http://r/"}),
    (["-u", "me:p:w"], {"user": "me", "password": "p:w"}), (["-u", "me"], {"user": "me"}),
    (["-u", "me:"], {"user": "me", "password": ""}),
    (["--user=me", "--password=pw"], {"user": "me", "password": "pw"}),
    (["--http-user=me", "--http-passwd=pw"], {"user": "me", "password": "pw"}),
    (["--limit-rate", "20k"], {"ratelimit": "20k"}), (["--limit", "2M"], {"ratelimit": "2M"}),
    (["--max-download-limit=2M"], {"ratelimit": "2M"}),
    (["--proxy", "socks5://p:1"], {"proxy": "socks5://p:1"}),
    (["--all-proxy=http://p"], {"proxy": "http://p"}), (["--no-proxy"], {"proxy": ""}),
    (["--checksum", "sha256:ab"], {"checksum": "sha256=ab"}),
    (["--checksum", "sha-256=ab"], {"checksum": "sha-256=ab"}),
    (["-k"], {"verify_tls": "false"}), (["--insecure"], {"verify_tls": "false"}),
    (["--no-check-certificate"], {"verify_tls": "false"}),
    (["--check-certificate=false"], {"verify_tls": "false"}),
    (["--tries", "3"], {"retries": "2"}), (["-t1"], {"retries": "0"}), (["--tries=0"], {"retries": "1000"}),
    (["--max-tries=3"], {"retries": "2"}), (["--retry", "3"], {"retries": "3"}),
    (["--retries=3"], {"retries": "3"}),
    (["--timeout", "7"], {"timeout": "7"}), (["-T", "7"], {"timeout": "7"}),
    (["--mirror", "http://m/"], {"mirrors": "http://m/"}),
    (["--mirror", " http://m/a b "], {"mirrors": "http://m/a%20b"}),
    (["--option", "cookies=a=1; b=2"], {"cookies": "a=1; b=2"}),
    (["--option", "max-connection-per-server=4"], {"connections": "4"})])
def test_a_flag_of_another_program_is_an_option_of_the_task(arguments, options):
    assert given(*arguments) == options

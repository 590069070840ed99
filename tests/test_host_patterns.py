"""Patterns of hosts, as allow_hosts, rules and no_proxy have them."""

import pytest

from dlserv.host_patterns import names_host


@pytest.mark.parametrize("entry, host, address, expected", [
    ("*", "a.example", "192.0.2.1", True), ("a.example", "A.Example.", "192.0.2.1", True),
    ("example", "a.example", "192.0.2.1", True), (".example", "a.example", "192.0.2.1", True),
    ("*.example", "a.example", "192.0.2.1", True), ("ample", "a.example", "192.0.2.1", False),
    ("a.example:80", "a.example", "192.0.2.1", True), ("a.example:080", "a.example", "192.0.2.1", True),
    ("a.example:81", "a.example", "192.0.2.1", False), ("*:81", "a.example", "192.0.2.1", False),
    ("b\u00fccher.example", "xn--bcher-kva.example", "192.0.2.1", True),
    ("192.0.2.1", "a.example", "192.0.2.1", True), ("192.0.2.0/24", "a.example", "192.0.2.1", True),
    ("192.0.2.9/24", "a.example", "192.0.2.1", True), ("198.51.100.0/24", "a.example", "192.0.2.1", False),
    ("2001:db8::1", "2001:db8::1", "2001:db8::1", True), ("[2001:db8::1]:80", "2001:db8::1", "2001:db8::1", True),
    ("[2001:db8::1]:81", "2001:db8::1", "2001:db8::1", False), ("2001:db8::/32", "h", "2001:db8::1%eth0", True),
    ("no/network", "a.example", "192.0.2.1", False), ("10.0.0.0/8", "a.example", "a.example", False),
    ("", "a.example", "192.0.2.1", False), (".", "a.example", "192.0.2.1", False)])
def test_an_entry_names_a_host_or_not(entry, host, address, expected):
    assert names_host(entry, host, 80, address) is expected

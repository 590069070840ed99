"""What a response's head says about a file, and what it proves."""

import pytest

from dlserv.net.head import Fields
from dlserv.net.remote_file import content_length, content_range, from_response
from dlserv.errors import Changed, Temporary

OLD, DATE = "Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"


def head(**fields):
    return Fields((name.replace("_", "-"), each) for name, value in fields.items()
                  for each in (value if isinstance(value, list) else [value]))


def resource(status=200, **fields):
    return from_response(status, head(**fields), "http://h/x")


@pytest.mark.parametrize("fields, validator", [
    (dict(ETag='"a"', Last_Modified=OLD, Date=DATE), '"a"'),
    (dict(ETag='W/"a"', Last_Modified=OLD, Date=DATE), OLD),
    (dict(ETag='W/"a"'), None),
    (dict(ETag="unquoted", Last_Modified=OLD, Date=DATE), OLD),
    (dict(ETag='"a" "b"'), None),
    (dict(Last_Modified=OLD), OLD),
    (dict(Last_Modified=OLD, Date=OLD), None),
    (dict(Last_Modified=DATE, Date=OLD), None),
    (dict(Last_Modified="yesterday", Date=DATE), None),
    ({}, None)])
def test_only_strong_validators_are_sent_back(fields, validator):
    assert resource(**fields).validator == validator


@pytest.mark.parametrize("status, fields, expected", [
    (200, dict(Accept_Ranges="bytes", ETag='"a"', Content_Length="5"), True),
    (200, dict(Accept_Ranges="none", ETag='"a"', Content_Length="5"), False),
    (200, dict(ETag='"a"', Content_Length="5"), False),
    (200, dict(Accept_Ranges="bytes", Content_Length="5"), False),
    (200, dict(Accept_Ranges="bytes", ETag='W/"a"', Content_Length="5"), True),
    (200, dict(Accept_Ranges="bytes", ETag="unquoted", Content_Length="5"), True),
    (200, dict(Accept_Ranges="bytes", ETag='"a"'), False),
    (200, dict(Accept_Ranges="bytes", ETag='"a"', Content_Length="5", Content_Encoding="gzip"), False),
    (206, dict(ETag='"a"', Content_Range="bytes 0-1/5"), True)])
def test_resumable_needs_ranges_a_validator_and_a_size(status, fields, expected):
    assert resource(status, **fields).resumable is expected


@pytest.mark.parametrize("value, expected", [
    ("bytes 0-9/10", (0, 10, 10)), ("bytes 5-9/*", (5, 10, None)), ("BYTES  5-5/6", (5, 6, 6))])
def test_a_content_range_is_read(value, expected):
    assert content_range(head(Content_Range=value)) == expected


@pytest.mark.parametrize("value", ["", "bytes */10", "bytes 9-5/10", "bytes 0-10/10", "items 0-1/2",
                                   "bytes 0-1", "bytes -1-2/3", "bytes 0-1/" + "9" * 5000])
def test_a_content_range_that_proves_nothing_is_refused(value):
    with pytest.raises(Changed):
        content_range(head(Content_Range=value))


@pytest.mark.parametrize("fields, expected", [
    (dict(Content_Length="10"), 10), (dict(Content_Length=["10", "10"]), 10),
    (dict(Content_Length="10, 10"), 10), ({}, None),
    (dict(Content_Length="10", Transfer_Encoding="chunked"), None),
    (dict(Content_Length="10", Transfer_Encoding=["", "Identity"]), 10),
    (dict(Content_Length="10", Transfer_Encoding=["identity", "chunked"]), None)])
def test_a_length_is_read(fields, expected):
    assert content_length(head(**fields)) == expected


@pytest.mark.parametrize("value", ["-1", "+5", "1e3", "0x10", "", ["10", "11"], "9" * 30])
def test_a_length_that_makes_no_sense_is_refused(value):
    with pytest.raises(Temporary):
        content_length(head(Content_Length=value))


def test_the_date_of_the_file_is_read_in_any_of_its_forms():
    for text in (OLD, "Monday, 01-Jan-24 00:00:00 GMT", "Mon Jan  1 00:00:00 2024"):
        assert resource(Last_Modified=text).modified == 1704067200
    for text in ("", "nonsense", "Mon, 99 Jan 2024 00:00:00 GMT", "Mon, 01 Jan 99999999999 00:00:00 GMT"):
        assert resource(Last_Modified=text).modified is None

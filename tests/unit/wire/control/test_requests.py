"""Requests to the control socket: read as they were written, and refused in one way whatever else they hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.control.objects import BadRequest
from mailbox_d.wire.control.requests import Request, Verb, format_request, parse_request

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
REQUESTS = st.builds(
    Request,
    verb=st.sampled_from(Verb),
    user=st.none() | TEXTS,
    mailbox=st.none() | TEXTS,
    deep=st.booleans(),
    yes=st.booleans(),
    purge=st.booleans(),
    wait=st.integers(0, 86_400),
)


@given(REQUESTS)
def test_what_is_written_is_read(request: Request) -> None:
    line = format_request(request)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert parse_request(line[:-1]) == request


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "a line of JSON"),
        (b"verify", "a line of JSON"),
        (b"\xff", "a line of JSON"),
        (b'{"verb": NaN}', "a line of JSON"),
        (b'{"verb": "verify", "verb": "repair"}', "a line of JSON"),
        (b"[" * 16_000, "a line of JSON"),
        (b'{"wait": ' + b"9" * 10_000 + b"}", "a line of JSON"),
        (b"[]", "an object"),
        (b"null", "an object"),
        (b"{}", "no such verb"),
        (b'{"verb": "purge"}', "no such verb"),
        (b'{"verb": "verify", "shell": "rm"}', "unknown here"),
        (b'{"verb": "verify", "deep": 1}', "of a wrong kind"),
        (b'{"verb": ["verify"]}', "of a wrong kind"),
        (b'{"verb": "verify", "wait": true}', "of a wrong kind"),
        (b'{"verb": "verify", "wait": 1e999}', "out of bounds"),
        (b'{"verb": "verify", "wait": -1}', "out of bounds"),
        (b'{"verb": "verify", "user": ""}', "no text"),
        (b'{"verb": "verify", "user": "\\ud800"}', "no text"),
        (b'{"verb": "verify", "mailbox": "' + b"x" * 1001 + b'"}', "no text"),
    ],
)
def test_what_is_no_request_is_refused(line: bytes, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        parse_request(line)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(json.dumps).map(str.encode)
)
def test_junk_is_refused_and_nothing_else_is_raised(line: bytes) -> None:
    try:
        parse_request(line)
    except BadRequest as error:
        assert error.public.isascii()

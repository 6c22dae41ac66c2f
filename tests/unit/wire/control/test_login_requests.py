"""Requests about failed logins: read as they were written, and refused in one way whatever else they hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.control.login_requests import LoginRequest, LoginVerb, format_login_request
from mailbox_d.wire.control.objects import BadRequest
from mailbox_d.wire.control.subjects import parse_any

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(
    st.builds(LoginRequest, st.just(LoginVerb.WAITS), st.none() | TEXTS, st.booleans())
    | st.builds(LoginRequest, st.just(LoginVerb.FORGIVE), TEXTS)
)
def test_what_is_written_is_read(request: LoginRequest) -> None:
    line = format_login_request(request)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert parse_any(line[:-1]) == request


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"subject": "login"}, "no such verb"),
        ({"subject": "login", "verb": "list"}, "no such verb"),
        ({"subject": "login", "verb": ["waits"]}, "of a wrong kind"),
        ({"subject": "login", "verb": "waits", "whom": 1}, "of a wrong kind"),
        ({"subject": "login", "verb": "waits", "whom": ""}, "no text"),
        ({"subject": "login", "verb": "waits", "limit": 1}, "unknown here"),
        ({"subject": "login", "verb": "forgive"}, "Name a user or an address"),
        ({"subject": "login", "verb": "forgive", "whom": None}, "Name a user or an address"),
    ],
)
def test_what_is_no_request_is_refused(said: object, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        parse_any(json.dumps(said).encode())

"""Requests about the queue: read as they were written, and refused in one way whatever else they hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.control.objects import BadRequest
from mailbox_d.wire.control.queue_requests import CHANGING, QueueRequest, QueueVerb, Which, format_queue_request
from mailbox_d.wire.control.requests import Request, Verb, format_request
from mailbox_d.wire.control.subjects import parse_any

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
NAMED = st.builds(
    QueueRequest,
    verb=st.sampled_from([QueueVerb.SHOW]),
    ids=st.tuples(TEXTS),
    content=st.booleans(),
)
CHOSEN = st.builds(
    QueueRequest,
    verb=st.sampled_from([QueueVerb.LIST, QueueVerb.STATS, *CHANGING]),
    all=st.just(True),
    domain=st.none() | TEXTS,
    sender=st.none() | TEXTS,
    recipient=st.none() | TEXTS,
    which=st.sampled_from(Which),
    limit=st.integers(0, 1000),
    bounce=st.booleans(),
    yes=st.booleans(),
)


@given(NAMED | CHOSEN)
def test_what_is_written_is_read(request: QueueRequest) -> None:
    line = format_queue_request(request)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert parse_any(line[:-1]) == request


def test_a_request_without_a_subject_is_about_mailboxes() -> None:
    request = Request(Verb.VERIFY, "alice@example.org")
    assert parse_any(format_request(request)[:-1]) == request
    assert parse_any(b'{"subject": "store", "verb": "verify", "user": "alice@example.org"}') == request


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"subject": "weather", "verb": "list"}, "no such subject"),
        ({"subject": ["queue"], "verb": "list"}, "no such subject"),
        ({"subject": "queue"}, "no such verb"),
        ({"subject": "queue", "verb": "verify"}, "no such verb"),
        ({"verb": "list"}, "no such verb"),
        ({"subject": "queue", "verb": "list", "which": "late"}, "no such state"),
        ({"subject": "queue", "verb": "list", "deep": True}, "unknown here"),
        ({"subject": "queue", "verb": "list", "limit": True}, "of a wrong kind"),
        ({"subject": "queue", "verb": "list", "limit": -1}, "out of bounds"),
        ({"subject": "queue", "verb": "list", "limit": 10**400}, "out of bounds"),
        ({"subject": "queue", "verb": "list", "domain": ""}, "no text"),
        ({"subject": "queue", "verb": "list", "domain": "\ud800"}, "no text"),
        ({"subject": "queue", "verb": "show"}, "One message"),
        ({"subject": "queue", "verb": "show", "ids": ["A", "B"]}, "One message"),
        ({"subject": "queue", "verb": "show", "ids": "A"}, "of a wrong kind"),
        ({"subject": "queue", "verb": "show", "ids": [1]}, "of a wrong kind"),
        ({"subject": "queue", "verb": "show", "ids": [["A"]]}, "of a wrong kind"),
        ({"subject": "queue", "verb": "show", "ids": [""]}, "no text"),
        ({"subject": "queue", "verb": "hold", "ids": ["x" * 1001]}, "no text"),
        ({"subject": "queue", "verb": "hold", "ids": ["x"] * 1001}, "of a wrong kind"),
        ({"subject": "queue", "verb": "remove"}, "Name messages"),
        ({"subject": "queue", "verb": "remove", "ids": []}, "Name messages"),
        ({"subject": "queue", "verb": "remove", "ids": ["A"], "all": True}, "not both"),
        ({"subject": "queue", "verb": "retry", "ids": ["A"], "domain": "example.org"}, "not both"),
        ({"subject": "queue", "verb": "forget-tls"}, "Name the domain"),
    ],
)
def test_what_is_no_request_is_refused(said: object, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        parse_any(json.dumps(said).encode())


@given(
    st.dictionaries(
        st.sampled_from(["subject", "verb", "ids", "which", "limit", "domain", "all", "other"]),
        st.sampled_from(["queue", "list", "remove", "any"]) | st.none() | st.integers() | st.lists(st.text()),
    )
)
def test_junk_is_refused_and_nothing_else_is_raised(said: dict[str, object]) -> None:
    try:
        parse_any(json.dumps(said).encode())
    except BadRequest as error:
        assert error.public.isascii()

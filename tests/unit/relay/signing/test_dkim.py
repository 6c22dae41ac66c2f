"""Signatures, judged by dkimpy."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dkim
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Envelope, Queued, Source
from mailbox_d.relay.signing.body_hash import BodyHash
from mailbox_d.relay.signing.dkim import ALWAYS, Signer, author_domain, sign
from mailbox_d.relay.signing.dkim_keys import KeyFolder
from tests.unit.relay.dkim_domain import make_domain, published

HEADER = (
    b"Received: from client.example.org by mail.example.org; Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    b"From: Alice <alice@example.org>\r\nTo: bob@example.net,\r\n\tcarol@example.net\r\nSubject:  Hello \t  there \r\n"
    b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <1@example.org>\r\n"
)
BODY = b"Hello\r\n\r\n"
NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dkim")
    make_domain(folder)
    return folder


def signed(keys: Path, header: bytes = HEADER, body: bytes = BODY) -> bytes:
    fields = sign(header, body_hash(body), KeyFolder(keys).of_domain("example.org"), NOW)
    return fields + header + b"\r\n" + body


def body_hash(body: bytes) -> bytes:
    made = BodyHash()
    made.feed(body)
    return made.finish()


def verdicts(message: bytes, keys: Path) -> list[bool]:
    """What dkimpy says of each signature."""
    records = published(keys)

    def txt(name: bytes, timeout: int = 5) -> bytes:
        return records[name.decode().rstrip(".")].encode()

    count = len(re.findall(rb"(?m)^DKIM-Signature:", message))
    return [is_right(dkim.DKIM(message), place, txt) for place in range(count)]


def is_right(verifier: dkim.DKIM, place: int, txt: Callable[..., bytes]) -> bool:
    try:
        return bool(verifier.verify(idx=place, dnsfunc=txt))
    except dkim.ValidationError:  # as it says that the body is another one
        return False


def test_both_algorithms_sign_and_are_right(keys: Path) -> None:
    message = signed(keys)
    assert re.findall(rb"a=([a-z0-9-]+)", message) == [b"rsa-sha256", b"ed25519-sha256"]
    assert re.findall(rb" s=([a-z0-9-]+)", message) == [b"s1", b"s1-ed25519"]
    assert b" t=1700000000;" in message
    assert not re.search(rb"[\s;][lxi]=", message)
    assert max(map(len, message.split(b"\r\n"))) <= 100
    assert verdicts(message, keys) == [True, True]


@pytest.mark.parametrize(
    "added",
    [f"{name}: somebody <x@example.com>\r\n".encode() for name in ALWAYS],
)
def test_attack_112_a_field_that_is_added_breaks_both(keys: Path, added: bytes) -> None:
    message = signed(keys)
    assert verdicts(added + message, keys) == [False, False]
    assert verdicts(message.replace(b"\r\nFrom:", b"\r\n" + added + b"From:"), keys) == [False, False]


def test_attack_112_text_that_is_added_breaks_both(keys: Path) -> None:
    assert verdicts(signed(keys) + b"more\r\n", keys) == [False, False]
    assert verdicts(signed(keys) + b"\r\n\r\n", keys) == [True, True]  # empty lines at the end do not count


def test_a_list_may_call_itself_one_where_the_message_is_from_none(keys: Path) -> None:
    added = b"List-Id: <friends.example.com>\r\n"
    assert verdicts(added + signed(keys), keys) == [True, True]
    assert verdicts(added + signed(keys, added + HEADER), keys) == [False, False]


LINES = st.text(alphabet="ab:;= \t\r\n.é", max_size=60).map(lambda t: re.sub(r"\r?\n|\r", "\r\n ", t).encode())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(
    subject=LINES,
    repeated=st.integers(min_value=0, max_value=4),
    body=st.lists(st.sampled_from([b"", b" ", b"x" * 1500, b"\xe9", b".", b"a\tb "]), max_size=12),
    last=st.sampled_from([b"", b"\r\n", b"\r\n\r\n\r\n", b" "]),
)
def test_any_header_and_body(keys: Path, subject: bytes, repeated: int, body: list[bytes], last: bytes) -> None:
    header = HEADER.replace(b"Hello", subject) + b"".join(b"Comments: x\r\nTo: y%d\r\n" % n for n in range(repeated))
    message = signed(keys, header, b"\r\n".join(body) + last)
    assert verdicts(message, keys) == [True, True]


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        (b"From: alice@example.org\r\n", "example.org"),
        (b"From: Alice\r\n <alice@Example.ORG>\r\n\r\nFrom: x@example.com\r\n", "example.org"),
        (b"from: a@example.org, b@example.net\r\n", "example.org"),
        (b"From: =?utf-8?Q?x=40example.net?= <a@example.org>\r\n", "example.org"),
        ("From: renée@bücher.example\r\n".encode(), "xn--bcher-kva.example"),
        (b"From: a@example.org\r\nFrom: b@example.org\r\n", ""),
        (b"From: nobody\r\n", ""),
        (b"From: \r\n", ""),
        (b"From: \xff@example.org\r\n", ""),
        (b"Subject: x\r\n", ""),
        (b"", ""),
    ],
)
def test_the_author_decides_which_domain_signs(value: bytes, domain: str) -> None:
    assert author_domain(value) == domain


def test_what_anybody_may_have_written_is_not_signed(keys: Path) -> None:
    signer = Signer(KeyFolder(keys))
    envelope = Envelope(EmailAddress.parse("alice@example.org"), ())
    message = Queued("q", envelope, Source.USER, 0.0, 100)
    ours = signer.signatures(message, HEADER, body_hash(BODY), NOW)
    assert verdicts(ours + HEADER + b"\r\n" + BODY, keys) == [True, True]
    assert signer.signatures(replace(message, source=Source.REPORT), HEADER, body_hash(BODY), NOW) == ours
    assert signer.signatures(replace(message, source=Source.FORWARDED), HEADER, body_hash(BODY), NOW) == b""


@pytest.mark.parametrize("author", [b"a@sub.example.org", b"a@example.com", b"a@[192.0.2.1]", b"nobody"])
def test_a_domain_without_keys_of_its_own_signs_nothing(keys: Path, author: bytes) -> None:
    message = Queued("q", Envelope(None, ()), Source.USER, 0.0, 100)
    assert Signer(KeyFolder(keys)).signatures(message, b"From: " + author + b"\r\n", b"", NOW) == b""

"""EXTERNAL: an empty response, or a name."""

from __future__ import annotations

import base64

import pytest

from mailbox_d.wire.sasl.exchange import ByCertificate, Challenge, MalformedResponse
from mailbox_d.wire.sasl.external import External

ALICE = "alice@example.org"


def test_the_certificate_says_who_it_is() -> None:
    assert External(ALICE).start(b"=") == ByCertificate(ALICE, "")
    exchange = External(ALICE)
    assert exchange.start(None) == Challenge(b"")
    assert exchange.step(b"") == ByCertificate(ALICE, "")


def test_a_name_may_be_asked_for() -> None:
    asked = External(ALICE).start(base64.b64encode(b"bob@example.org"))
    assert asked == ByCertificate(ALICE, "bob@example.org")


@pytest.mark.parametrize("message", [b"\0", b"alice\0bob", b"\xff"])
def test_names_that_are_none(message: bytes) -> None:
    with pytest.raises(MalformedResponse):
        External(ALICE).start(base64.b64encode(message))

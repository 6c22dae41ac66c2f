"""Leave to send as somebody else: which addresses it covers."""

from __future__ import annotations

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import SenderGrant
from mailbox_d.errors import AddressError


@pytest.mark.parametrize(
    ("grant", "covered", "not_covered"),
    [
        ("info@example.org", ["info@example.org", "INFO@Example.ORG", "info+x@example.org"], ["info@example.net"]),
        ("a+b@example.org", ["a+b@example.org"], ["a@example.org", "a+c@example.org"]),
        ("@Example.ORG", ["a@example.org", "b+c@EXAMPLE.org"], ["a@sub.example.org", "a@example.net", "a@ample.org"]),
        ("@b\u00fccher.example", ["a@xn--bcher-kva.example"], ["a@bucher.example"]),
    ],
)
def test_what_a_grant_covers(grant: str, covered: list[str], not_covered: list[str]) -> None:
    granted = SenderGrant.parse(grant)
    assert all(granted.covers(EmailAddress.parse(text)) for text in covered)
    assert not any(granted.covers(EmailAddress.parse(text)) for text in not_covered)


@pytest.mark.parametrize(
    "text", ["", "@", "@@example.org", "a", "@.example.org", "*@", "*@example.org", "@exa mple.org", "a@b c"]
)
def test_what_is_no_grant(text: str) -> None:
    with pytest.raises(AddressError):
        SenderGrant.parse(text)

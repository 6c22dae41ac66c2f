"""Whether an SPF record lets the server send."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from mailbox_d.policy.spf_mentions import Mention, mention

ADDRESSES = (ip_address("192.0.2.25"), ip_address("2001:db8::25"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("v=spf1 mx -all", Mention.LET),
        ("v=spf1 +mx:example.org ~all", Mention.LET),
        ("v=spf1 MX/24 ?all", Mention.LET),
        ("v=spf1 include:_spf.example.com mx -all", Mention.LET),
        ("v=spf1 a:mail.example.org -all", Mention.LET),
        ("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all", Mention.LET),
        ("v=spf1  ip4:192.0.2.25   ip6:2001:db8::25", Mention.LET),
        ("v=spf1 ip4:192.0.2.25 -all", Mention.NOT),
        ("v=spf1 ip4:198.51.100.0/24 -all", Mention.NOT),
        ("v=spf1 ip4:nonsense -all", Mention.NOT),
        ("v=spf1 -all", Mention.NOT),
        ("v=spf1", Mention.NOT),
        ("v=spf1 -all mx", Mention.NOT),
        ("v=spf1 -mx ?mx:example.org -all", Mention.PERHAPS),
        ("v=spf1 include:_spf.example.com -all", Mention.PERHAPS),
        ("v=spf1 redirect=_spf.example.com", Mention.PERHAPS),
        ("v=spf1 a -all", Mention.PERHAPS),
        ("v=spf1 mx:example.com -all", Mention.PERHAPS),
        ("v=spf1 +all", Mention.EVERYBODY),
        ("v=spf1 all", Mention.EVERYBODY),
        ("v=spf1 " + "exp=x " * 1000 + "mx", Mention.NOT),
        ("v=spf1 \0 é ::: mx", Mention.LET),
    ],
)
def test_what_a_record_says_of_the_server(text: str, said: Mention) -> None:
    assert mention(text, "example.org", "mail.example.org", ADDRESSES) is said


def test_networks_say_nothing_where_no_address_is_known() -> None:
    assert mention("v=spf1 ip4:0.0.0.0/0 -all", "example.org", "mail.example.org", ()) is Mention.NOT

"""Whether an SPF record lets the server send."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.policy.spf_mentions import Mention, SendingServer, UnreadableSpf, included, mention, read_spf

SERVER = SendingServer(
    "mail.example.org", (ip_address("192.0.2.25"), ip_address("2001:db8::25")), frozenset({"mail.example.org"})
)


def said(text: str, server: SendingServer = SERVER) -> Mention:
    return mention(read_spf(text), "example.org", server)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("v=spf1 mx -all", Mention.LET),
        ("v=spf1 +mx:example.org ~all", Mention.LET),
        ("v=spf1 mx:Example.ORG. ~all", Mention.LET),
        ("v=spf1 MX/24 ?all", Mention.LET),
        ("v=spf1 mx/24//64 -all", Mention.LET),
        ("v=spf1 include:_spf.example.com mx -all", Mention.LET),
        ("v=spf1 a:mail.example.org -all", Mention.LET),
        ("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all", Mention.LET),
        ("v=spf1  ip4:192.0.2.25   ip6:2001:db8::25", Mention.LET),
        ("v=spf1 -ip4:198.51.100.0/24 mx -all", Mention.LET),
        ("v=spf1 mx -ip4:192.0.2.0/24 -all", Mention.LET),
        ("v=spf1 mx exp=explain.example.org unknown=%{d}%% -all", Mention.LET),
        ("v=spf1 ip4:192.0.2.25 -all", Mention.NOT),
        ("v=spf1 ip4:198.51.100.0/24 -all", Mention.NOT),
        ("v=spf1 -all", Mention.NOT),
        ("v=spf1", Mention.NOT),
        ("v=spf1 -all mx", Mention.NOT),
        ("v=spf1 include=_spf.example.com -all", Mention.NOT),
        ("v=spf1 -all redirect=_spf.example.com", Mention.NOT),
        ("v=spf1 -ip4:192.0.2.0/24 mx -all", Mention.NOT),
        ("v=spf1 -mx mx -all", Mention.NOT),
        ("v=spf1 -a:mail.example.org mx -all", Mention.NOT),
        ("v=spf1 ?mx -all", Mention.NOT),
        ("v=spf1 -include:_spf.example.com -all", Mention.NOT),
        ("v=spf1 -exists:%{ir}.block.example.org mx -all", Mention.PERHAPS),
        ("v=spf1 include:_spf.example.com -mx -all", Mention.PERHAPS),
        ("v=spf1 include:_spf.example.com -all", Mention.PERHAPS),
        ("v=spf1 ip4:192.0.2.25 include:_spf.example.com -all", Mention.PERHAPS),
        ("v=spf1 redirect=_spf.example.com", Mention.PERHAPS),
        ("v=spf1 exists:%{i}._spf.%{d} ptr -all", Mention.PERHAPS),
        ("v=spf1 a -all", Mention.PERHAPS),
        ("v=spf1 mx:example.com -all", Mention.PERHAPS),
        ("v=spf1 +all", Mention.EVERYBODY),
        ("v=spf1 all", Mention.EVERYBODY),
        ("v=spf1 mx all", Mention.EVERYBODY),
        ("v=spf1 ip4:0.0.0.0/0 -all", Mention.EVERYBODY),
        ("v=spf1 mx ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all", Mention.EVERYBODY),
        ("v=spf1 mx ip6:2000::/3 -all", Mention.EVERYBODY),
        ("v=spf1 mx -all ip4:0.0.0.0/0", Mention.LET),
        ("v=spf1 mx ip4:192.0.2.0/8 -all", Mention.LET),
    ],
)
def test_what_a_record_says_of_the_server(text: str, says: Mention) -> None:
    assert said(text) is says


@pytest.mark.parametrize(
    "term",
    [
        "inclde:x.example",
        "include",
        "include:",
        "include:localhost",
        "include:x.example/24",
        "exists",
        "ip4",
        "ip4:1.2.3",
        "ip4:nonsense",
        "ip4:192.0.2.0/33",
        "ip4:192.0.2.0/024",
        "ip4:192.0.2.0//24",
        "ip4:2001:db8::25",
        "ip6:192.0.2.25",
        "ip6:fe80::1%eth0",
        "ip6:2001:db8::/129",
        "mx/33",
        "mx//129",
        "mx:example.123",
        "a:exa\u017fmple..org",
        "all:example.org",
        "all/24",
        "+redirect=_spf.example.com",
        "redirect=",
        "redirect=%{x}",
        "exp=x",
        "exi\u017fts:a.example",
        "mx,",
        "-",
        ":::",
        "\0",
        "\té",
        "100%=",
        "redirect=a.example redirect=b.example",
        "a a a a a a a a a a a",
    ],
)
def test_a_record_with_a_term_that_cannot_be_read_counts_for_nothing(term: str) -> None:
    with pytest.raises(UnreadableSpf):
        read_spf(f"v=spf1 mx {term} -all")


@given(st.text("v=spf1 -+~?:/.%{}amxipncludet4602", max_size=60))
def test_whatever_is_read_says_something(text: str) -> None:
    try:
        assert isinstance(said(f"v=spf1 {text}"), Mention)
    except UnreadableSpf as error:
        assert len(str(error)) < 200


def test_networks_say_nothing_where_no_address_is_known() -> None:
    unknown = replace(SERVER, addresses=())
    assert said("v=spf1 ip4:192.0.2.0/24 -all", unknown) is Mention.NOT
    assert said("v=spf1 mx -all", unknown) is Mention.LET


def test_mx_means_the_hosts_that_mail_goes_to() -> None:
    assert said("v=spf1 mx -all", replace(SERVER, mx_hosts=frozenset({"mx.example.com"}))) is Mention.PERHAPS
    assert said("v=spf1 mx -all", replace(SERVER, mx_hosts=frozenset())) is Mention.NOT


def test_what_is_included() -> None:
    terms = read_spf("v=spf1 +include:A.example include:b.example. -include:c.example ~all include:d.example")
    assert included(terms) == {"a.example", "b.example"}

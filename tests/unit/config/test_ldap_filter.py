"""Filters are read as RFC 4515 writes them: what passes here is what the library that sends them takes too."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.auth.ldap_realm.escaping import fill_filter
from mailbox_d.auth.ldap_realm.library import ldap3
from mailbox_d.config.faults import Refusal
from mailbox_d.config.ldap_filter import DnTemplate, LdapFilter

HERE = Path("/")
ALICE = EmailAddress.parse("alice@example.org")


def read(text: str, *, asks: bool = False) -> str:
    return str(LdapFilter(asks=asks).read_text(text, HERE))


def send(text: str) -> None:
    ldap3.operation.search.search_operation("dc=x", text, 2, 0, ["1.1"], 2, 1, False, False, False)


GOOD = [
    "(a=b)",
    "(a=)",
    "(a=*)",
    "(a=x*y*z)",
    "(a~=b)",
    "(a>=1)",
    "(a<=1)",
    "(a=ü)",
    "(1.2.3;binary=x)",
    r"(a=\28x\29\00)",
    "(&(a=b)(!(c=d))(|(e=f)(g=h)))",
    "(& (a=b) (c=d) )",
    "(a:=x)",
    "(a:dn:=x)",
    "(:dn:2.5.13.1:=x)",
    "(memberOf:1.2.840.113556.1.4.1941:=cn=x,dc=y)",
]
BAD = [
    "",
    "a=b",
    "(a=b",
    "(a=b))",
    "((a=b))",
    "()",
    "(&)",
    "(!(a=b)(c=d))",
    "(&(a=b)c)",
    "(a=b)(c=d)",
    "(=b)",
    "(:=b)",
    "(a b=c)",
    "(a)",
    "(a=x(y)",
    r"(a=\zz)",
    r"(a=\2)",
    "(a=b\0)",
    "(!" * 40 + "(a=b)" + ")" * 40,
    "(a=" + "x" * 9000 + ")",
]


@pytest.mark.parametrize("text", GOOD)
def test_a_filter(text: str) -> None:
    assert read(text) == text
    send(text)


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(Refusal):
        read(text)


@given(st.text(alphabet="(&|!)ab=*<>~:\\2 {}", max_size=30))
def test_what_is_read_can_be_sent(text: str) -> None:
    try:
        read(text)
    except Refusal:
        return
    send(text)


@pytest.mark.parametrize("text", ["(mail={address})", "(&(uid={local_part})(o={domain}))"])
def test_a_filter_that_asks(text: str) -> None:
    send(fill_filter(read(text, asks=True), ALICE))
    with pytest.raises(Refusal, match="stands for nothing"):
        read(text)


@pytest.mark.parametrize("text", ["(mail=x)", "(o={domain})", "(mail={adress})", "(mail={Address})", "({address}=x)"])
def test_a_filter_that_asks_for_nobody(text: str) -> None:
    with pytest.raises(Refusal):
        read(text, asks=True)


def test_a_template_of_a_dn() -> None:
    assert DnTemplate().read_text("uid={local_part},o={domain}", HERE)
    for text in ("uid=bob", "o={domain}", "uid={user}", " "):
        with pytest.raises(Refusal):
            DnTemplate().read_text(text, HERE)

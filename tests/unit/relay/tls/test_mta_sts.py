"""The TXT record and the policy of MTA-STS, as RFC 8461 has them and as strangers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.relay.tls.mta_sts import MAX_AGE_MOST, Mode, Policy, PolicyInvalid, read_identifier, read_policy

POLICY = b"version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmax_age: 604800\n"


@pytest.mark.parametrize(
    ("texts", "identifier"),
    [
        ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        ([b"v=STSv1; id=1"], "1"),
        ([b"v=STSv1;id=1;"], "1"),
        ([b"v=STSv1 ;\tid=1 ; "], "1"),
        ([b"v=STSv1; id=1; later=x.y:z; "], "1"),
        ([b"v=STSv1; later=x; id=1"], "1"),
        ([b"v=STSv1; id=1; id=2"], "1"),
        ([b"v=STSv2; id=2", b"google-site-verification=x", b"v=STSv1; id=1"], "1"),
        ([], None),
        ([b""], None),
        ([b"v=STSv1"], None),
        ([b"v=STSv1;"], None),
        ([b"v=STSv1; id="], None),
        ([b"v=STSv1; id=2016-08-31"], None),
        ([b"v=STSv1; id=" + b"1" * 33], None),
        ([b"V=STSv1; id=1"], None),
        ([b"v=stsv1; id=1"], None),
        ([b" v=STSv1; id=1"], None),
        ([b"id=1; v=STSv1;"], None),
        ([b"v=STSv1;; id=1"], None),
        ([b"v=STSv1; id=1; no field"], None),
        ([b"v=STSv1; id=1; " + b"\xff=1"], None),
        ([b"v=STSv1; id=1", b"v=STSv1; id=1"], None),
    ],
)
def test_the_record(texts: list[bytes], identifier: str | None) -> None:
    assert read_identifier(texts) == identifier


@pytest.mark.parametrize(
    "text",
    [
        POLICY,
        POLICY.rstrip(),
        POLICY.replace(b"\n", b"\r\n"),
        POLICY.replace(b": ", b":"),
        POLICY.replace(b": ", b": \t ").replace(b"\n", b" \n"),
        b"\n".join(
            reversed(
                POLICY.replace(
                    b"mx: mail.example.com\nmx: *.example.net", b"mx: *.example.net\nmx: mail.example.com"
                ).splitlines()
            )
        ),
        POLICY + b"mode: none\nmax_age: 1\nversion: STSv2\n",
        POLICY + "later: ünderstood\n".encode(),
        POLICY + b"mx: MAIL.example.com\n",
        POLICY + b"\n\n",
    ],
)
def test_a_policy(text: bytes) -> None:
    assert read_policy(text) == Policy(Mode.ENFORCE, 604800, ("mail.example.com", "*.example.net"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "no known version"),
        (POLICY.replace(b"STSv1", b"STSv2"), "no known version"),
        (POLICY.replace(b"version", b"Version"), "no known version"),
        (POLICY.replace(b"enforce", b"Enforce"), "no known mode"),
        (POLICY.replace(b"mode: enforce\n", b""), "no known mode"),
        (POLICY.replace(b"604800", b"-1"), "no max_age"),
        (POLICY.replace(b"604800", b"12345678901"), "no max_age"),
        (POLICY.replace(b"604800", "٣".encode()), "no max_age"),
        (POLICY.replace(b"max_age: 604800", b""), "no max_age"),
        (b"version: STSv1\nmode: enforce\nmax_age: 1", "names no servers"),
        (b"version: STSv1\nmode: testing\nmax_age: 1", "names no servers"),
        (POLICY.replace(b"*.", b"*"), "can be none"),
        (POLICY.replace(b"*.", b"a.*."), "can be none"),
        (POLICY.replace(b"*.", b"*.*."), "can be none"),
        (POLICY.replace(b"*.example.net", b"*"), "can be none"),
        (POLICY.replace(b"*.example.net", b""), "can be none"),
        (POLICY.replace(b"mail", "mäil".encode()), "can be none"),
        (POLICY.replace(b"mail", b"-mail"), "can be none"),
        (POLICY.replace(b"mail", b"a" * 64), "can be none"),
        (POLICY + b"mx: a.example.com\n" * 100, "too many servers"),
        (POLICY + b"no field", "is no field"),
        (POLICY + b"<html>: x", "is no field"),
        (POLICY + b"\xff\xfe", "is no text"),
        (b"\xef\xbb\xbf" + POLICY, "is no field"),
    ],
)
def test_what_is_no_policy(text: bytes, problem: str) -> None:
    with pytest.raises(PolicyInvalid, match=problem):
        read_policy(text)


def test_a_policy_that_ends_all_policies_names_no_servers() -> None:
    assert read_policy(b"version: STSv1\nmode: none\nmax_age: 86400\n") == Policy(Mode.NONE, 86400)


def test_no_policy_holds_for_longer_than_a_year() -> None:
    assert read_policy(POLICY.replace(b"604800", b"9999999999")).max_age == MAX_AGE_MOST


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("mail.example.com", True),
        ("MAIL.Example.com", True),
        ("other.example.com", False),
        ("example.com", False),
        ("a.example.net", True),
        ("a.b.example.net", False),
        ("example.net", False),
        (".example.net", False),
        ("*.example.net", False),
        ("evil-example.net", False),
        ("", False),
    ],
)
def test_which_servers_a_policy_covers(host: str, covered: bool) -> None:
    assert read_policy(POLICY).covers(host) == covered


@given(st.binary(max_size=300))
def test_no_octets_are_too_strange(octets: bytes) -> None:
    read_identifier([octets, b"v=STSv1; id=1;" + octets])
    for text in (octets, POLICY + octets):
        try:
            policy = read_policy(text)
        except PolicyInvalid:
            continue
        assert read_policy("\n".join(policy.lines).encode()) == policy

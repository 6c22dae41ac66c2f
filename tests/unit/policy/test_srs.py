"""Senders of forwarded mail: what is rewritten is found again, and nothing else."""

from __future__ import annotations

from hypothesis import assume, example, given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.policy.srs import VALID_DAYS, SenderRewriting, is_rewritten

DAY = 86400
NOW = 20_000 * DAY
KEY, OTHER_KEY = b"a key of sixteen octets", b"another key of the kind"
BOB = EmailAddress.parse("Bob@example.net")

LOCAL_PARTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=20
)
DOMAINS = st.from_regex(r"[a-z0-9]{1,8}(\.[a-z]{2,5}){1,2}", fullmatch=True) | st.just("[192.0.2.1]")


def rewriting(*keys: bytes, now: float = NOW) -> SenderRewriting:
    return SenderRewriting(keys or (KEY,), lambda: now)


@given(LOCAL_PARTS, DOMAINS)
@example("a=b=c", "example.net")
@example("srs", "example.net")
@example("bob+x", "example.net")
@example('a "quoted" \\ part', "example.net")
def test_what_is_rewritten_is_found_again(local_part: str, domain: str) -> None:
    sender = EmailAddress(local_part, domain)
    assume(not is_rewritten(sender))
    address = rewriting().rewritten(sender, "example.org")
    if address is None:
        return
    assert is_rewritten(address)
    assert EmailAddress.parse(str(address)) == address
    assert rewriting().original(EmailAddress.parse(str(address))) == sender


def test_the_form_of_an_address() -> None:
    address = rewriting().rewritten(BOB, "example.org")
    assert address is not None
    form, signature, day, domain, local_part = address.local_part.split("=")
    assert (form, domain, local_part, address.domain) == ("SRS0", "example.net", "Bob", "example.org")
    assert (len(signature), len(day)) == (6, 2)


@given(st.data())
def test_whoever_changes_an_octet_is_found_out(data: st.DataObject) -> None:
    hop = data.draw(st.sampled_from(["Bob@example.net", "SRS0=abcd=ef=b.example=carol@example.net"]))
    address = str(rewriting().rewritten(EmailAddress.parse(hop), "example.org"))
    place = data.draw(st.integers(0, len(address) - 1))
    character = data.draw(st.characters(min_codepoint=0x21, max_codepoint=0x7E))
    changed = address[:place] + character + address[place + 1 :]
    assume(changed.lower() != address.lower())
    try:
        parsed = EmailAddress.parse(changed)
    except Exception:
        return
    assert rewriting().original(parsed) is None


@given(st.text(max_size=50))
def test_any_text_is_an_address_that_leads_nowhere(text: str) -> None:
    for form in ("SRS0=", "SRS1="):
        assert rewriting().original(EmailAddress(form + text, "example.org")) is None


def test_case_is_of_no_account() -> None:
    address = rewriting().rewritten(BOB, "example.org")
    assert address is not None
    for local_part in (address.local_part.lower(), address.local_part.upper()):
        assert rewriting().original(EmailAddress(local_part, "example.org")) == BOB


def test_an_address_leads_back_for_three_weeks() -> None:
    address = rewriting().rewritten(BOB, "example.org")
    assert address is not None
    assert rewriting(now=NOW + VALID_DAYS * DAY).original(address) == BOB
    assert rewriting(now=NOW + (VALID_DAYS + 1) * DAY).original(address) is None
    assert rewriting(now=NOW - DAY).original(address) is None


def test_days_go_round_in_a_circle() -> None:
    last = 1024 * 20 - 1
    address = rewriting(now=last * DAY).rewritten(BOB, "example.org")
    assert address is not None
    assert rewriting(now=(last + 1) * DAY).original(address) == BOB


def test_the_first_key_signs_and_all_verify() -> None:
    old = rewriting(KEY).rewritten(BOB, "example.org")
    assert old is not None
    both = rewriting(OTHER_KEY, KEY)
    assert both.original(old) == BOB
    assert both.rewritten(BOB, "example.org") == rewriting(OTHER_KEY).rewritten(BOB, "example.org") != old
    assert rewriting(OTHER_KEY).original(old) is None


def test_an_address_is_good_at_the_domain_that_it_was_made_for() -> None:
    address = rewriting().rewritten(BOB, "example.org")
    assert address is not None
    assert rewriting().original(EmailAddress(address.local_part, "example.com")) is None


def test_three_hops_and_back() -> None:
    first, second, third = rewriting(b"first " * 4), rewriting(b"second " * 4), rewriting(b"third " * 4)
    at_first = first.rewritten(BOB, "first.example")
    assert at_first is not None
    at_second = second.rewritten(at_first, "second.example")
    assert at_second is not None and at_second.local_part.startswith("SRS1=")
    at_third = third.rewritten(at_second, "third.example")
    assert at_third is not None and "=first.example==" in at_third.local_part
    assert "second.example" not in at_third.local_part
    assert third.original(at_third) == second.original(at_second) == at_first
    assert first.original(at_first) == BOB


def test_other_programs_separators_come_back_as_they_were() -> None:
    theirs = EmailAddress.parse("srs0+abcd=ef=b.example=carol@hop.example")
    address = rewriting().rewritten(theirs, "example.org")
    assert address is not None
    assert rewriting().original(address) == theirs


def test_a_sender_too_long_is_not_rewritten() -> None:
    fits = EmailAddress.parse("x" * 37 + "@example.net")
    assert rewriting().rewritten(fits, "example.org") is not None
    assert rewriting().rewritten(EmailAddress.parse("x" * 38 + "@example.net"), "example.org") is None
    assert rewriting().rewritten(BOB, "d" * 60 + "." + "d." * 80 + "org") is None

"""How the configuration's limits reach the sessions."""

from __future__ import annotations

import pytest

from mailbox_d.auth.guessing.guesses import GuessLimits
from mailbox_d.auth.ldap_realm.bounds import DEFAULT_BOUNDS, LdapBounds
from mailbox_d.config.limits import Limits
from mailbox_d.imap.service import IMAPLimits
from mailbox_d.limits import (
    guess_limits,
    imap_limits,
    ldap_bounds,
    login_session_limits,
    pop3_limits,
    relay_limits,
    smtp_session_limits,
)
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.relay.peer.limits import RelayLimits
from mailbox_d.smtp.service import Kind

LIMITS = Limits().model_copy(update={"greeting_delay": 5.0})


@pytest.mark.parametrize(("kind", "delay"), [(Kind.SMTP, 5.0), (Kind.SUBMISSION, 0.0), (Kind.LMTP, 0.0)])
def test_only_smtp_clients_from_outside_wait_for_the_greeting(kind: Kind, delay: float) -> None:
    assert smtp_session_limits(LIMITS, kind).greeting_delay == delay


def test_imap_clients_do_not_wait_for_the_greeting() -> None:
    assert login_session_limits(LIMITS).greeting_delay == 0.0


def test_how_many_commands_come_before_login_can_be_configured() -> None:
    configured = LIMITS.model_copy(update={"commands_before_login": 11})
    assert [made(configured).commands_before_login for made in (imap_limits, pop3_limits)] == [11, 11]


def test_what_is_understood_of_a_message_can_be_configured() -> None:
    sizes = {"header_size": 70_000, "mime_header": 60_000, "mime_headers": 80_000}
    counts = {"mime_depth": 11, "mime_parts": 101, "mime_addresses": 102, "mime_parameters": 21}
    configured = imap_limits(LIMITS.model_copy(update=sizes | counts)).contents.mime
    assert configured == MimeLimits(
        depth=11, parts=101, header=70_000, header_kept=60_000, headers_kept=80_000, addresses=102, parameters=21
    )


def test_how_much_is_asked_for_at_once_can_be_configured() -> None:
    chosen = {"imap_search_keys": 101, "imap_fetch_attributes": 102, "imap_search_text": 103, "imap_fetch_ahead": 104}
    configured = imap_limits(LIMITS.model_copy(update=chosen))
    assert configured.search_text == 103
    assert configured.ahead.held == 104
    assert (configured.grammar.search_keys, configured.grammar.fetch_attributes) == (101, 102)


def test_defaults_are_the_same_with_and_without_a_configuration() -> None:
    assert imap_limits(Limits()).grammar == IMAPLimits().grammar
    assert imap_limits(Limits()).contents == IMAPLimits().contents
    assert imap_limits(Limits()).search_text == IMAPLimits().search_text
    assert imap_limits(Limits()).ahead == IMAPLimits().ahead
    assert relay_limits(Limits()) == RelayLimits()
    assert guess_limits(Limits()) == GuessLimits()


def test_how_slow_another_server_may_be_can_be_configured() -> None:
    configured = relay_limits(LIMITS.model_copy(update={"queue_conversation": 11.0, "queue_minimum_rate": 12}))
    assert (configured.conversation, configured.minimum_rate) == (11.0, 12)


def test_how_many_logins_may_fail_can_be_configured() -> None:
    counts = {f"login_failures_{name}": 11 + at for at, name in enumerate(("per_address", "per_network", "per_user"))}
    waits = {"login_wait": 21.0, "login_wait_most": 22.0, "login_failures_half_life": 23.0}
    bounds = {"login_failures_remembered": 31, "login_acquaintances": 32}
    assert guess_limits(LIMITS.model_copy(update=counts | waits | bounds)) == GuessLimits(
        per_address=11,
        per_network=12,
        per_user=13,
        first_wait=21.0,
        longest_wait=22.0,
        half_life=23.0,
        remembered=31,
        acquaintances=32,
    )


def test_what_directories_may_cost_can_be_configured() -> None:
    chosen = {
        "ldap_answer": 100_000,
        "ldap_answer_messages": 11,
        "ldap_members": 12,
        "ldap_connections": 13,
        "ldap_idle": 14.0,
        "ldap_rest": 1.5,
        "ldap_remembered": 1600,
    }
    configured = ldap_bounds(LIMITS.model_copy(update=chosen))
    assert configured == LdapBounds(100_000, 11, 12, 13, 14.0, 1.5, 1600)
    assert ldap_bounds(Limits()) == DEFAULT_BOUNDS

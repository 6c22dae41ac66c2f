"""The configured limits, as each part of the daemon takes them."""

from __future__ import annotations

from dataclasses import replace

from mailbox_d.auth.guessing.guesses import GuessLimits
from mailbox_d.auth.ldap_realm.bounds import LdapBounds
from mailbox_d.config.limits import Limits
from mailbox_d.imap.fetch.ahead import AheadLimits
from mailbox_d.imap.fetch.contents import ContentLimits
from mailbox_d.imap.service import IMAPLimits
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.net.dns_client import DnsLimits
from mailbox_d.net.session import SessionLimits
from mailbox_d.policy.content import HeaderLimits
from mailbox_d.pop3.service import POP3Limits
from mailbox_d.relay.peer.limits import RelayLimits
from mailbox_d.smtp.service import Kind, SMTPLimits
from mailbox_d.wire.imap.cursor import DEFAULT_LIMITS
from mailbox_d.wire.imap.framer import AFTER_LOGIN, FramerLimits


def session_limits(limits: Limits) -> SessionLimits:
    """The configured limits that every session's shell keeps to."""
    return SessionLimits(
        input_buffer=limits.input_buffer_preauth,
        output_buffer=limits.output_buffer,
        command_timeout=limits.command_timeout,
        handshake_timeout=limits.tls_handshake_timeout,
        write_timeout=limits.write_timeout,
    )


def smtp_session_limits(limits: Limits, kind: Kind) -> SessionLimits:
    """The configured limits that the shell of an SMTP, submission or LMTP session keeps to."""
    greeting_delay = limits.greeting_delay if kind is Kind.SMTP else 0.0
    return replace(session_limits(limits), greeting_delay=greeting_delay)


def login_session_limits(limits: Limits) -> SessionLimits:
    """The configured limits that the shell of an IMAP or POP3 session keeps to."""
    return replace(
        session_limits(limits),
        command_timeout=limits.login_timeout,
    )


def control_session_limits(limits: Limits) -> SessionLimits:
    """The configured limits that the shell of the control socket's sessions keeps to."""
    return replace(session_limits(limits), input_buffer=limits.control_line, command_timeout=limits.control_timeout)


def smtp_limits(limits: Limits) -> SMTPLimits:
    """The configured limits that SMTP's commands keep to."""
    return SMTPLimits(
        message_size=limits.message_size,
        command_line=limits.smtp_command_line,
        auth_line=limits.smtp_auth_line,
        recipients=limits.recipients_per_message,
        queue_files=limits.queue_files_per_message,
        unknown_recipients=limits.unknown_recipients,
        unknown_recipient_delay=limits.unknown_recipient_delay,
        bad_commands=limits.bad_commands,
        junk_commands=limits.junk_commands,
        login_failures=limits.login_failures,
        data_timeout=limits.smtp_data_timeout,
        data_minimum_rate=limits.data_minimum_rate,
        header=HeaderLimits(limits.header_size, limits.header_fields, limits.received_hops),
    )


def guess_limits(limits: Limits) -> GuessLimits:
    """The configured limits on failed logins over all connections."""
    return GuessLimits(
        per_address=limits.login_failures_per_address,
        per_network=limits.login_failures_per_network,
        per_user=limits.login_failures_per_user,
        first_wait=limits.login_wait,
        longest_wait=limits.login_wait_most,
        half_life=limits.login_failures_half_life,
        remembered=limits.login_failures_remembered,
        acquaintances=limits.login_acquaintances,
    )


def ldap_bounds(limits: Limits) -> LdapBounds:
    """The configured limits on what LDAP directories may cost."""
    return LdapBounds(
        answer=limits.ldap_answer,
        messages=limits.ldap_answer_messages,
        members=limits.ldap_members,
        connections=limits.ldap_connections,
        idle=limits.ldap_idle,
        rest=limits.ldap_rest,
        remembered=limits.ldap_remembered,
    )


def imap_limits(limits: Limits) -> IMAPLimits:
    """The configured limits that IMAP's commands keep to."""
    return IMAPLimits(
        message_size=limits.message_size,
        before_login=FramerLimits(line=limits.imap_preauth_command, literal_octets=limits.imap_preauth_command // 2),
        after_login=replace(
            AFTER_LOGIN,
            line=limits.imap_command,
            literal_octets=limits.imap_literal,
            drained=max(AFTER_LOGIN.drained, limits.message_size),
        ),
        grammar=replace(
            DEFAULT_LIMITS, search_keys=limits.imap_search_keys, fetch_attributes=limits.imap_fetch_attributes
        ),
        search_text=limits.imap_search_text,
        contents=ContentLimits(mime=mime_limits(limits)),
        ahead=AheadLimits(held=limits.imap_fetch_ahead),
        input_buffer=limits.input_buffer,
        login_timeout=limits.login_timeout,
        idle_timeout=limits.idle_timeout,
        idle_time=limits.imap_idle_time,
        idle_poll=limits.imap_idle_poll,
        commands_before_login=limits.commands_before_login,
        login_failures=limits.login_failures,
        bad_commands_before_login=limits.imap_bad_commands_preauth,
        bad_commands_in_a_row=limits.imap_bad_commands,
    )


def mime_limits(limits: Limits) -> MimeLimits:
    """The configured limits to which messages are taken apart."""
    return MimeLimits(
        depth=limits.mime_depth,
        parts=limits.mime_parts,
        header=limits.header_size,
        header_kept=min(limits.mime_header, limits.header_size),
        headers_kept=limits.mime_headers,
        addresses=limits.mime_addresses,
        parameters=limits.mime_parameters,
    )


def pop3_limits(limits: Limits) -> POP3Limits:
    """The configured limits that POP3's commands keep to."""
    return POP3Limits(
        command_line=limits.pop3_command_line,
        login_timeout=limits.login_timeout,
        idle_timeout=limits.pop3_idle_timeout,
        commands_before_login=limits.commands_before_login,
        login_failures=limits.login_failures,
        bad_commands_before_login=limits.pop3_bad_commands_preauth,
        bad_commands_in_a_row=limits.pop3_bad_commands,
    )


def dns_limits(limits: Limits) -> DnsLimits:
    """The configured limits that lookups keep to."""
    return DnsLimits(timeout=limits.dns_timeout, records=limits.dns_records, cache=limits.dns_cache)


def relay_limits(limits: Limits) -> RelayLimits:
    """The configured limits that sessions with other servers keep to."""
    return RelayLimits(
        connect=limits.relay_connect_timeout,
        greeting=limits.relay_greeting_timeout,
        command=limits.relay_command_timeout,
        data=limits.relay_data_timeout,
        conversation=limits.queue_conversation,
        minimum_rate=limits.queue_minimum_rate,
        end=limits.relay_end_timeout,
        handshake=limits.tls_handshake_timeout,
        reply=limits.smtp_reply,
        reply_line=limits.smtp_reply_line,
    )

"""What the POP3 service is made of, and what it allows."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailbox_d.net.login import LoginGate
from mailbox_d.pop3.locks import MaildropLocks
from mailbox_d.wire.sasl.exchange import MAX_RESPONSE


@dataclass(frozen=True, slots=True)
class POP3Limits:
    """Bounds on what a client may send, and the pieces in which it is answered. Octets, counts, seconds."""

    command_line: int = 512
    """With its line end; RFC 2449 section 4 demands 255."""
    auth_line: int = MAX_RESPONSE + 2
    """A response in a SASL exchange, with its line end (RFC 5034 section 4)."""
    login_timeout: float = 60.0
    """From the greeting to login."""
    idle_timeout: float = 600.0
    """For each command after login: at least ten minutes (RFC 1939 section 3)."""
    commands_before_login: int = 100
    login_failures: int = 3
    bad_commands_before_login: int = 3
    bad_commands_in_a_row: int = 20
    """Once logged in."""
    messages_a_write: int = 1000
    """Messages that LIST and UIDL tell of before other connections get their turn."""
    octets_a_read: int = 65536
    """Of a message's body."""


@dataclass(frozen=True, slots=True)
class POP3Service:
    """The service with everything that its sessions use."""

    hostname: str
    gate: LoginGate
    allow_plaintext: bool = False
    """Whether passwords are taken without TLS."""
    marks_seen: bool = True
    """Whether a message that was retrieved is seen from QUIT on."""
    limits: POP3Limits = field(default_factory=POP3Limits)
    locks: MaildropLocks = field(default_factory=MaildropLocks)

"""What the IMAP service is made of, and what it allows."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailbox_d.imap.fetch.ahead import AheadLimits, Crew
from mailbox_d.imap.fetch.contents import ContentLimits
from mailbox_d.net.login import LoginGate
from mailbox_d.wire.imap.cursor import GrammarLimits
from mailbox_d.wire.imap.framer import AFTER_LOGIN, FramerLimits


@dataclass(frozen=True, slots=True)
class IMAPLimits:
    """Bounds on what a client may send, and the pieces in which it is answered. Octets, counts, seconds."""

    message_size: int = 50 << 20
    before_login: FramerLimits = field(default_factory=FramerLimits)
    after_login: FramerLimits = AFTER_LOGIN
    grammar: GrammarLimits = field(default_factory=GrammarLimits)
    input_buffer: int = 65536
    """Of a client that has logged in."""
    login_timeout: float = 60.0
    """For each command before login."""
    idle_timeout: float = 1800.0
    """For each command afterwards: at least half an hour (RFC 3501 section 5.4)."""
    idle_time: float = 2100.0
    """For the end of IDLE: clients begin it anew after 29 minutes (RFC 2177)."""
    idle_poll: float = 5.0
    """After how long the mailbox of a client in IDLE is looked at for what other programs did."""
    commands_before_login: int = 100
    login_failures: int = 3
    bad_commands_before_login: int = 3
    bad_commands_in_a_row: int = 20
    """Once logged in."""
    messages_a_write: int = 1000
    """Messages whose flags and figures are sent at once."""
    messages_a_slice: int = 10_000
    """Messages that SEARCH looks at before other connections get their turn, about 2 ms; a message counts for each key.
    What takes more than one slice is done in the lane."""
    names_a_slice: int = 200
    """Mailbox names that LIST holds against a pattern before other connections get their turn."""
    search_turn: float = 0.02
    """Seconds that SEARCH reads messages before it lets others have their turn."""
    search_text: int = 1 << 20
    """Octets of text that are kept of a message, for SEARCH; 0: nothing is kept."""
    contents: ContentLimits = field(default_factory=ContentLimits)
    """How much of messages is looked up at once."""
    ahead: AheadLimits = field(default_factory=AheadLimits)
    """How far ahead of a FETCH messages are looked up."""


@dataclass(frozen=True, slots=True)
class IMAPService:
    """The service with everything that its sessions use."""

    hostname: str
    gate: LoginGate
    allow_plaintext: bool = False
    """Whether passwords are taken without TLS."""
    limits: IMAPLimits = field(default_factory=IMAPLimits)
    condstore: bool = True
    """Whether clients are told mod-sequences (RFC 7162)."""
    crew: Crew | None = None
    """Who looks ahead; None for nobody."""

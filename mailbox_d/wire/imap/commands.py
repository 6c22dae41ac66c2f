"""IMAP's commands as values (RFC 3501 section 6; ID is RFC 2971, NAMESPACE RFC 2342, UNSELECT RFC 3691).

Mailbox names are text, INBOX in capitals; strings of which the grammar knows no more are octets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from mailbox_d.wire.imap.fetch import FetchAttribute
from mailbox_d.wire.imap.listing import List as List
from mailbox_d.wire.imap.quota import GetQuota as GetQuota
from mailbox_d.wire.imap.quota import GetQuotaRoot as GetQuotaRoot
from mailbox_d.wire.imap.quota import SetQuota as SetQuota
from mailbox_d.wire.imap.search import ReturnOption, SearchKey
from mailbox_d.wire.imap.sequence import SequenceSet
from mailbox_d.wire.imap.status import StatusItem as StatusItem


@dataclass(frozen=True, slots=True)
class Capability:
    """RFC 3501 section 6.1.1."""


@dataclass(frozen=True, slots=True)
class Noop:
    """RFC 3501 section 6.1.2."""


@dataclass(frozen=True, slots=True)
class Logout:
    """RFC 3501 section 6.1.3."""


@dataclass(frozen=True, slots=True)
class Id:
    """RFC 2971: what the client says of itself."""

    fields: tuple[tuple[bytes, bytes | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Enable:
    """RFC 5161: names of capabilities, in capitals."""

    capabilities: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class StartTls:
    """RFC 3501 section 6.2.1."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """RFC 3501 section 6.2.2; the initial response, still in base64, is RFC 4959's."""

    mechanism: str
    initial: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """RFC 3501 section 6.2.3."""

    user: bytes
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SequenceMatch:
    """Sequence numbers and the UIDs that a client knows them to have: as many of each, ascending, as ranges."""

    numbers: SequenceSet
    uids: SequenceSet

    def pairs(self) -> Iterator[tuple[int, int]]:
        return zip(self.numbers.each(), self.uids.each(), strict=True)


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client knows of the mailbox that it selects (RFC 7162 section 3.2.5)."""

    uid_validity: int
    mod_sequence: int
    known: SequenceSet | None = None
    match: SequenceMatch | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """RFC 3501 section 6.3.1, with RFC 7162's parameters."""

    mailbox: str
    condstore: bool = False
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Examine:
    """RFC 3501 section 6.3.2: SELECT that changes nothing."""

    mailbox: str
    condstore: bool = False
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """RFC 3501 section 6.3.3; what the mailbox is to be for, as it was written (RFC 6154 section 3)."""

    mailbox: str
    uses: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """RFC 3501 section 6.3.4."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename:
    """RFC 3501 section 6.3.5."""

    mailbox: str
    new_name: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """RFC 3501 section 6.3.6."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """RFC 3501 section 6.3.7."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Lsub:
    """RFC 3501 section 6.3.9."""

    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Namespace:
    """RFC 2342 section 5."""


@dataclass(frozen=True, slots=True)
class Status:
    """RFC 3501 section 6.3.10."""

    mailbox: str
    items: tuple[StatusItem, ...]


@dataclass(frozen=True, slots=True)
class Append:
    """RFC 3501 section 6.3.11, without its message; the date in seconds since 1970."""

    mailbox: str
    flags: frozenset[str] = frozenset()
    date: float | None = None
    binary: bool = False
    """Whether the message comes as a literal8 (RFC 3516 section 4.4)."""
    utf8: bool = False
    """Whether the client says that there may be UTF-8 in its header (RFC 6855 section 4)."""


@dataclass(frozen=True, slots=True)
class Check:
    """RFC 3501 section 6.4.1."""


@dataclass(frozen=True, slots=True)
class Close:
    """RFC 3501 section 6.4.2."""


@dataclass(frozen=True, slots=True)
class Unselect:
    """RFC 3691 section 2."""


@dataclass(frozen=True, slots=True)
class Expunge:
    """RFC 3501 section 6.4.3; with `uids` no other messages go (UID EXPUNGE, RFC 4315 section 2.1)."""

    uids: SequenceSet | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """RFC 3501 section 6.4.4; as UID SEARCH it answers with UIDs, with return options as RFC 4731 says."""

    key: SearchKey
    by_uid: bool = False
    returns: frozenset[ReturnOption] | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """RFC 3501 section 6.4.5; as UID FETCH `numbers` are UIDs. With `changed_since` (RFC 7162) those that
    changed after this change."""

    numbers: SequenceSet
    attributes: tuple[FetchAttribute, ...]
    by_uid: bool = False
    changed_since: int | None = None
    vanished: bool = False
    """Whether to tell as well which of the UIDs are gone since then (RFC 7162 section 3.2.6)."""


class StoreMode(Enum):
    """How STORE combines flags (RFC 3501 section 6.4.6)."""

    REPLACE = b"FLAGS"
    ADD = b"+FLAGS"
    REMOVE = b"-FLAGS"


@dataclass(frozen=True, slots=True)
class Store:
    """RFC 3501 section 6.4.6."""

    numbers: SequenceSet
    mode: StoreMode
    flags: frozenset[str]
    silent: bool = False
    by_uid: bool = False
    unchanged_since: int | None = None
    """Messages that changed after this change are to be let be (RFC 7162 section 3.1.3)."""


@dataclass(frozen=True, slots=True)
class Copy:
    """RFC 3501 section 6.4.7."""

    numbers: SequenceSet
    mailbox: str
    by_uid: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """RFC 6851 section 3."""

    numbers: SequenceSet
    mailbox: str
    by_uid: bool = False


@dataclass(frozen=True, slots=True)
class Idle:
    """RFC 2177; the line that ends it is no command."""


Command: TypeAlias = (
    Capability
    | Noop
    | Logout
    | Id
    | Enable
    | StartTls
    | Authenticate
    | Login
    | Select
    | Examine
    | Create
    | Delete
    | Rename
    | Subscribe
    | Unsubscribe
    | List
    | Lsub
    | Namespace
    | GetQuota
    | GetQuotaRoot
    | SetQuota
    | Status
    | Append
    | Check
    | Close
    | Unselect
    | Expunge
    | Search
    | Fetch
    | Store
    | Copy
    | Move
    | Idle
)

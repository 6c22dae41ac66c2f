"""What all parts of a Maildir store share: the door to the disk, locks, directory syncs, names, settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mailbox_d.store.directory_sync import DirectorySync
from mailbox_d.store.dotlock import FolderLocks, LockTimes
from mailbox_d.store.files import FileSystem
from mailbox_d.store.index import index_file
from mailbox_d.store.index.open_indexes import OpenIndexes, OpenTexts
from mailbox_d.store.index.text_file import OCTETS_MAX
from mailbox_d.store.ledger import Ledgers, LedgerTimes
from mailbox_d.store.locked_file import Identity
from mailbox_d.store.marks import LookTimes
from mailbox_d.store.mod_sequences import AccountModSequences
from mailbox_d.store.names import NameLimits
from mailbox_d.store.quota import QuotaRules
from mailbox_d.store.unique import UniqueNames
from mailbox_d.store.watching import NobodyWatches, Watcher


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """How a Maildir store works.

    `newline`: line ends of new files, `lf` or `crlf`. `hold`: octets of a message under way that are kept in memory.
    `stale_after`: seconds after which a file left in `tmp` is nobody's. `uidlist_octets_max`: the longest uidlist read.
    `subscriptions_octets_max`: what a user's subscriptions may come to.
    `kept_mailboxes`: how many mailboxes stay in memory after their last session. `kept_indexes`: how many accounts'
    indexes are open at once. `index_octets_max`, `text_octets_max`: what is kept of an account's messages for FETCH,
    and for SEARCH. `kept_ledgers`: of how many accounts is remembered what they hold. `expunges_kept`: of how many
    messages that are gone a mailbox remembers when they went.
    """

    newline: str = "lf"
    hold: int = 256 * 1024
    stale_after: float = 36 * 3600
    uidlist_octets_max: int = 256 * 1024 * 1024
    subscriptions_octets_max: int = 4 * 1024 * 1024
    kept_mailboxes: int = 32
    kept_indexes: int = 64
    index_octets_max: int = index_file.OCTETS_MAX
    text_octets_max: int = OCTETS_MAX
    kept_ledgers: int = 1024
    expunges_kept: int = 10_000
    names: NameLimits = field(default_factory=NameLimits)
    locks: LockTimes = field(default_factory=LockTimes)
    looks: LookTimes = field(default_factory=LookTimes)
    ledgers: LedgerTimes = field(default_factory=LedgerTimes)


@dataclass(frozen=True, slots=True)
class Disk:
    """The shared parts; each has its own lock and is safe for threads."""

    files: FileSystem
    settings: StoreSettings = field(default_factory=StoreSettings)
    clock: Callable[[], float] = time.time
    watcher: Watcher = field(default_factory=NobodyWatches)
    quotas: QuotaRules = field(default_factory=QuotaRules)
    left_behind: set[Identity] = field(default_factory=set, init=False)
    """Locks of small files that could not be removed."""
    locks: FolderLocks = field(init=False)
    directories: DirectorySync = field(init=False)
    unique: UniqueNames = field(init=False)
    indexes: OpenIndexes = field(init=False)
    texts: OpenTexts = field(init=False)
    ledgers: Ledgers = field(init=False)
    mod_sequences: AccountModSequences = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "locks", FolderLocks(self.files, self.settings.locks, self.clock))
        object.__setattr__(self, "directories", DirectorySync(self.files))
        object.__setattr__(self, "unique", UniqueNames(clock=self.clock))
        object.__setattr__(self, "indexes", OpenIndexes(self.settings.kept_indexes, self.settings.index_octets_max))
        object.__setattr__(self, "texts", OpenTexts(self.settings.kept_indexes, self.settings.text_octets_max))
        ledgers = Ledgers(
            self.files, self.quotas, self.settings.ledgers, self.unique, self.clock, self.settings.kept_ledgers
        )
        object.__setattr__(self, "ledgers", ledgers)
        object.__setattr__(self, "mod_sequences", AccountModSequences(self.files, self.clock))

"""The in-memory twin of the Maildir store: the same behaviour, by the same tests, with nothing kept."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailboxExists, MailboxNameError, MailError, NoSuchMailbox
from mailbox_d.store.layout import folder_names
from mailbox_d.store.memory_mailbox import MemoryDelivery, MemoryMailbox
from mailbox_d.store.memory_room import MemoryRoom
from mailbox_d.store.names import NameLimits, canonical_name, tree
from mailbox_d.store.ports import (
    INBOX,
    SEPARATOR,
    Account,
    Block,
    Listed,
    Outcome,
    Quota,
    Receipt,
    Refusal,
    SpecialUse,
    Store,
    Target,
    Usage,
)
from mailbox_d.store.quota import AccountLimits, QuotaRules
from mailbox_d.store.special_use import renamed


class MemoryAccount(Account):
    """One user's mailboxes."""

    def __init__(self, address: EmailAddress, validities: Iterator[int], limits: NameLimits, rules: QuotaRules) -> None:
        self.address = address
        self._limits = limits
        self._validities = validities
        self._lock = threading.RLock()
        self.room = MemoryRoom(rules, AccountLimits(rules, address))
        self._mailboxes = {INBOX: MemoryMailbox(Target(address), next(validities), self.room)}
        self._subscribed: dict[str, None] = {}
        self._special_uses: Mapping[str, SpecialUse] | None = None

    def quota(self) -> Quota | None:
        return self.room.quota()

    def mailboxes(self) -> Sequence[Listed]:
        with self._lock:
            return tree(list(self._mailboxes))

    def open(self, name: str, *, look: bool = True) -> MemoryMailbox:
        try:
            mailbox = self._mailboxes[self._canonical(name)]
        except (KeyError, MailboxNameError):
            raise NoSuchMailbox("No such mailbox") from None
        if look:
            mailbox.refresh()
        return mailbox

    def create(self, name: str) -> None:
        with self._lock:
            self._add(self._canonical(name))

    def delete(self, name: str) -> None:
        canonical = self._canonical(name)
        if canonical == INBOX:
            raise MailboxNameError("INBOX cannot be deleted")
        with self._lock:
            if canonical not in self._mailboxes:
                raise NoSuchMailbox("No such mailbox")
            self._mailboxes.pop(canonical).end()

    def rename(self, old: str, new: str) -> None:
        source, goal = self._canonical(old), self._canonical(new)
        if goal.startswith(source + SEPARATOR) and source != INBOX:
            raise MailboxNameError("A mailbox cannot be moved below itself")
        with self._lock:
            if source == INBOX:
                self._mailboxes[INBOX].move_all(self._add(goal))
            else:
                self._move(source, goal)

    def subscriptions(self) -> Sequence[str]:
        return tuple(self._subscribed)

    def subscribe(self, name: str, subscribed: Literal[True, False] = True) -> None:
        canonical = self._canonical(name)
        self._subscribed.pop(canonical, None)
        if subscribed:
            self._subscribed[canonical] = None

    def special_uses(self) -> Mapping[str, SpecialUse] | None:
        return self._special_uses

    def assign_special_uses(self, uses: Mapping[str, SpecialUse]) -> None:
        self._special_uses = {self._canonical(name): use for name, use in uses.items()}

    def assign_special_use(self, name: str, use: SpecialUse) -> None:
        with self._lock:
            self._special_uses = {**(self._special_uses or {}), self._canonical(name): use}

    def _canonical(self, name: str) -> str:
        return canonical_name(name, self._limits)

    def _add(self, name: str) -> MemoryMailbox:
        if name in self._mailboxes:
            raise MailboxExists("The mailbox exists already")
        mailbox = self._mailboxes[name] = MemoryMailbox(Target(self.address, name), next(self._validities), self.room)
        return mailbox

    def _move(self, source: str, goal: str) -> None:
        names = [name for name in self._mailboxes if name == source or name.startswith(source + SEPARATOR)]
        moves = {name: self._canonical(goal + name.removeprefix(source)) for name in names}
        if not moves:
            raise NoSuchMailbox("No such mailbox")
        if any(name in self._mailboxes for name in [goal, *moves.values()]):
            raise MailboxExists("The mailbox exists already")
        for name, new_name in moves.items():
            self._mailboxes[new_name] = self._mailboxes.pop(name).renamed(Target(self.address, new_name))
        if self._special_uses is not None:
            self._special_uses = renamed(self._special_uses, source, goal)


class MemoryStore(Store):
    """All accounts; `free` is what `free_octets` says."""

    def __init__(
        self, *, limits: NameLimits | None = None, free: int = 2**40, quotas: QuotaRules | None = None
    ) -> None:
        self.free = free
        self._quotas = quotas or QuotaRules()
        self._limits = limits or NameLimits()
        self._validities = itertools.count(int(time.time()))
        self._lock = threading.Lock()
        self._accounts: dict[EmailAddress, MemoryAccount] = {}

    def account(self, address: EmailAddress) -> MemoryAccount:
        folder_names(address)
        with self._lock:
            account = self._accounts.get(address)
            if account is None:
                account = self._accounts[address] = MemoryAccount(address, self._validities, self._limits, self._quotas)
            return account

    def deliver(self, blocks: Sequence[Block]) -> MemoryDelivery:
        return MemoryDelivery(partial(self._deliver, tuple(blocks)))

    def has_room(self, address: EmailAddress, octets: int) -> bool:
        return self.account(address).room.has(Usage(octets, 1))

    def free_octets(self) -> int:
        return self.free

    def _deliver(self, blocks: Sequence[Block], body: bytes, all_or_nothing: bool) -> tuple[Outcome, ...]:
        copies = [(target, block.header + body) for block in blocks for target in block.targets]
        if all_or_nothing:
            for target, wire in copies:
                self._find(target)
                self.account(target.address).room.require(Usage(len(wire), 1))
        return tuple(self._place(target, wire) for target, wire in copies)

    def _place(self, target: Target, wire: bytes) -> Outcome:
        try:
            uid = self._find(target).add(wire)
        except MailError as error:
            return Refusal(target, error)
        return Receipt(target, f"{target.mailbox}.{uid}")

    def _find(self, target: Target) -> MemoryMailbox:
        return self.account(target.address).open(target.mailbox)

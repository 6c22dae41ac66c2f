"""Whatever comes and goes by way of two stores on one Maildir: `maildirsize` adds up to what the files are."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.errors import MailError, OverQuota
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.maildirsize import parse
from mailbox_d.store.ports import INBOX, Block, FlagAction, Mailbox, QuotaLimits, Target, Usage
from mailbox_d.store.quota import QuotaRules

ALICE = EmailAddress.parse("alice@example.org")
NAMES = (INBOX, "Archive", "Old")
LIMIT = 3000
GRACE = 20

STORES = st.integers(0, 1)
PLACES = st.sampled_from(NAMES)
SIZES = st.sampled_from([1, 50, 500, 1000, 4000])
UIDS = st.sets(st.integers(1, 5), max_size=3)


@dataclass(frozen=True)
class Deliver:
    store: int
    size: int

    def run(self, store: MaildirStore) -> None:
        delivery = store.deliver([Block(b"", (Target(ALICE),))])
        delivery.write(b"\r\n" * (self.size // 2) + b"x")
        delivery.commit(all_or_nothing=True)


@dataclass(frozen=True)
class Append:
    store: int
    size: int
    place: str

    def run(self, store: MaildirStore) -> None:
        delivery = opened(store, self.place).append()
        delivery.write(b"x" * self.size)
        delivery.commit(all_or_nothing=True)


@dataclass(frozen=True)
class Carry:
    store: int
    verb: str
    source: str
    goal: str
    uids: Collection[int]

    def run(self, store: MaildirStore) -> None:
        getattr(opened(store, self.source), self.verb)(self.uids, opened(store, self.goal))


@dataclass(frozen=True)
class Expunge:
    store: int
    place: str
    uids: Collection[int]

    def run(self, store: MaildirStore) -> None:
        mailbox = opened(store, self.place)
        mailbox.change_flags(self.uids, FlagAction.ADD, frozenset({"\\Deleted"}))
        mailbox.expunge(self.uids)


@dataclass(frozen=True)
class Rearrange:
    store: int
    verb: str
    names: tuple[str, ...]

    def run(self, store: MaildirStore) -> None:
        getattr(store.account(ALICE), self.verb)(*self.names)


STEPS = st.one_of(
    st.builds(Deliver, STORES, SIZES),
    st.builds(Append, STORES, SIZES, PLACES),
    st.builds(Carry, STORES, st.sampled_from(["copy", "move"]), PLACES, PLACES, UIDS),
    st.builds(Expunge, STORES, PLACES, UIDS),
    st.builds(Rearrange, STORES, st.sampled_from(["delete", "create"]), st.tuples(PLACES)),
    st.builds(Rearrange, STORES, st.just("rename"), st.tuples(PLACES, PLACES)),
)


def opened(store: MaildirStore, name: str) -> Mailbox:
    account = store.account(ALICE)
    with contextlib.suppress(MailError):
        account.create(name)
    return account.open(name)


def there(root: Path) -> Usage:
    files = [path for half in ("new", "cur") for path in root.glob(f"**/{half}/*")]
    return Usage(sum(path.stat().st_size for path in files), len(files))


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=25))
def test_the_file_adds_up_to_what_is_there(steps: list[Deliver | Append | Carry | Expunge | Rearrange]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        rules = QuotaRules({ALICE: QuotaLimits(LIMIT)}.get, GRACE)
        stores = [MaildirStore(root, quotas=rules) for _ in range(2)]
        stores[0].account(ALICE).quota()
        for step in steps:
            with contextlib.suppress(MailError):
                step.run(stores[step.store])
            (path,) = root.glob("**/maildirsize")
            balance = parse(path.read_bytes())
            assert balance is not None and balance.usage == there(root), step
            assert balance.usage.octets <= LIMIT * (100 + GRACE) // 100
        quotas = [store.account(ALICE).quota() for store in stores]
        assert [quota and quota.usage for quota in quotas] == [there(root)] * 2


@settings(max_examples=50)
@given(st.lists(SIZES, max_size=20))
def test_only_what_does_not_fit_is_refused(sizes: list[int]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        store = MaildirStore(root, quotas=QuotaRules({ALICE: QuotaLimits(LIMIT)}.get, 0))
        for size in sizes:
            fits = there(root).octets + size <= LIMIT
            assert store.has_room(ALICE, size) == fits
            try:
                Append(0, size, INBOX).run(store)
                assert fits
            except OverQuota:
                assert not fits

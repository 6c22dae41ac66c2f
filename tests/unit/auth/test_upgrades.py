"""Passwords that are stored anew: which, when, and that nothing fails by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mailbox_d.address import EmailAddress
from mailbox_d.auth.passwords import ARGON2ID, HashCost, StoredPassword, hash_password
from mailbox_d.auth.schemes import SCRAM
from mailbox_d.auth.scram_keys import keys_text, make_keys
from mailbox_d.auth.upgrades import PAUSE, PAUSE_AFTER_FAILURE, HashUpgrades
from tests.unit.relay.at_once import at_once

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
PATH = Path("/nowhere/users.yaml")
TODAY = HashCost(2, 16, 1)
BCRYPT = "{BLF-CRYPT}$2b$04$Wfqbc0p7wDtBtNaGZTTkNOp10gg9fBGRlD9Fs4BtGUsNm/qxr1zX2"


def argon2(passes: int, memory: int) -> str:
    return hash_password(b"pass", HashCost(passes, memory, 1))


def scram(iterations: int) -> str:
    return "{SCRAM-SHA-256}" + keys_text(make_keys(b"pass", iterations=iterations))


class File:
    """A users file that notes what it is told."""

    def __init__(self, scheme: str = ARGON2ID, run: Any = at_once) -> None:
        self.now = 0.0
        self.fault: Exception | None = None
        self.takes = 0.0
        self.told: list[tuple[EmailAddress, StoredPassword, StoredPassword]] = []
        self.upgrades = HashUpgrades(
            PATH, self.replace, hash=run, edit=at_once, clock=lambda: self.now, scheme=scheme, cost=TODAY
        )

    def replace(self, path: Path, address: EmailAddress, old: StoredPassword, new: str, /) -> None:
        assert path == PATH
        self.now += self.takes
        if self.fault is not None:
            raise self.fault
        self.told.append((address, old, StoredPassword.parse(new)))

    def log_in(self, address: EmailAddress, stored: str, password: bytes = b"pass") -> None:
        self.upgrades.consider(address, StoredPassword.parse(stored), password)


@pytest.mark.parametrize(
    ("stored", "usual", "where_scram_is_offered"),
    [
        ("{PLAIN}pass", ARGON2ID, SCRAM),
        ("{SSHA}" + "A" * 32, ARGON2ID, SCRAM),
        (BCRYPT, ARGON2ID, SCRAM),
        (argon2(1, 16), ARGON2ID, SCRAM),
        (argon2(2, 8), ARGON2ID, SCRAM),
        (argon2(2, 16), None, SCRAM),
        (argon2(1, 64), None, SCRAM),
        (argon2(4, 8), None, SCRAM),
        (scram(4096), None, None),
        (scram(10_000), None, None),
        (scram(1000), SCRAM, SCRAM),
    ],
)
def test_what_is_out_of_date(stored: str, usual: str | None, where_scram_is_offered: str | None) -> None:
    for offered, wanted in ((ARGON2ID, usual), (SCRAM, where_scram_is_offered)):
        file = File(offered)
        file.log_in(ALICE, stored)
        assert [new.scheme for _, _, new in file.told] == ([] if wanted is None else [wanted])
        assert all(address == ALICE and old == StoredPassword.parse(stored) for address, old, _ in file.told)
        assert all(new.verify(b"pass") and not new.verify(b"Pass") for _, _, new in file.told)


def test_a_new_hash_is_not_out_of_date() -> None:
    for scheme in (ARGON2ID, SCRAM):
        file = File(scheme)
        file.log_in(ALICE, hash_password(b"pass", TODAY, scheme=scheme))
        assert file.told == []


def test_of_a_long_password_bcrypt_has_seen_the_beginning_alone() -> None:
    file = File()
    file.log_in(ALICE, BCRYPT, b"x" * 73)
    assert file.told == []
    file.log_in(ALICE, BCRYPT, b"x" * 72)
    assert len(file.told) == 1


def test_an_invisible_password_is_not_made_worse_than_it_is() -> None:
    file = File(SCRAM)
    file.log_in(ALICE, "{PLAIN}\u00ad", "\u00ad".encode())
    file.log_in(ALICE, "{PLAIN}pass")
    assert len(file.told) == 1


def test_the_file_is_not_changed_often() -> None:
    file = File()
    file.log_in(ALICE, "{PLAIN}pass")
    file.log_in(BOB, "{PLAIN}pass")
    file.now += PAUSE
    file.log_in(BOB, "{PLAIN}pass")
    assert [address for address, _, _ in file.told] == [ALICE, BOB]


def test_a_file_that_takes_long_is_changed_seldom() -> None:
    file = File()
    file.takes = 3.0
    file.log_in(ALICE, "{PLAIN}pass")
    file.now += 59
    file.log_in(BOB, "{PLAIN}pass")
    assert len(file.told) == 1
    file.now += 1
    file.log_in(BOB, "{PLAIN}pass")
    assert len(file.told) == 2


def test_a_changed_file_is_read_again_before_anybody_waits_for_it() -> None:
    file, reads = File(), list[int]()

    async def read() -> None:
        reads.append(len(file.told))
        raise OSError("the disk is away")

    file.upgrades.when_changed(read)
    file.log_in(ALICE, "{PLAIN}pass")
    assert reads == [1]
    file.fault, file.now = PermissionError(13, "Permission denied"), PAUSE
    file.log_in(BOB, "{PLAIN}pass")
    assert reads == [1] and len(file.told) == 1


def test_one_at_a_time_is_hashed() -> None:
    waiting: list[Deferred[None]] = []

    async def slow(work: Callable[..., Any], /, *args: object) -> Any:
        waiting.append(Deferred())
        await waiting[-1]
        return work(*args)

    file = File(run=slow)
    for _ in range(3):
        file.log_in(ALICE, "{PLAIN}pass")
    assert len(waiting) == 1
    waiting[0].callback(None)
    assert len(file.told) == 1


def test_a_file_that_cannot_be_changed_is_left_alone_for_a_while() -> None:
    file = File()
    file.fault = PermissionError(13, "Permission denied")
    file.log_in(ALICE, "{PLAIN}pass")
    file.fault = None
    file.now += PAUSE_AFTER_FAILURE - 1
    file.log_in(ALICE, "{PLAIN}pass")
    assert file.told == []
    file.now += 1
    file.log_in(ALICE, "{PLAIN}pass")
    assert len(file.told) == 1

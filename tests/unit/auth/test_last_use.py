"""When users last logged in, and by what."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.auth.directory import Directory
from mailbox_d.auth.last_use import NOTED_AGAIN, LastUse, use_of
from mailbox_d.auth.passwords import StoredPassword
from mailbox_d.auth.realm import LoggedIn, Service, User
from tests.unit.relay.at_once import done

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
ODD = EmailAddress.parse('"a b\\"c"@example.org')
BLANK = EmailAddress.parse('" bob"@example.org')


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def again(uses: LastUse) -> LastUse:
    """The same after a restart."""
    kept = LastUse(Clock())
    kept.recall([row for row in map(LastUse.row, map(LastUse.line, uses.rows())) if row is not None])
    return kept


def test_each_password_has_its_time_however_the_address_is_written() -> None:
    clock = Clock()
    uses = LastUse(clock)
    uses.note(ALICE)
    clock.now += 10
    uses.note(EmailAddress.parse("Alice@EXAMPLE.org"), "phone")
    assert uses.known(ALICE) == {"": 1_000_000, "phone": 1_000_010}
    assert uses.known(BOB) == {}


def test_only_what_is_not_on_disk_is_new() -> None:
    clock = Clock()
    uses = LastUse(clock)
    assert not uses.is_new
    uses.note(ALICE)
    assert uses.is_new
    uses.is_new = False
    clock.now += NOTED_AGAIN - 1
    uses.note(ALICE)
    assert uses.is_new is False
    uses.note(ALICE, "phone")
    assert uses.is_new


def test_who_comes_all_the_time_is_news_each_minute() -> None:
    clock = Clock()
    uses = LastUse(clock)
    written = []
    for _ in range(24 * 120):
        clock.now += 30
        uses.note(ALICE, "phone")
        if uses.is_new:
            written.append(uses.known(ALICE)["phone"])
            uses.is_new = False
        assert clock.now - written[-1] < NOTED_AGAIN
    assert len(written) == 24 * 60


def test_a_clock_that_was_wrong_is_put_right() -> None:
    clock = Clock()
    uses = LastUse(clock)
    uses.note(ALICE)
    uses.is_new = False
    clock.now -= 500_000
    uses.note(ALICE)
    assert uses.is_new and uses.known(ALICE) == {"": 500_000}


def test_the_next_password_of_a_name_has_not_been_used() -> None:
    one, other = (StoredPassword.parse(f"{{SSHA}}{letter * 32}") for letter in "ab")
    assert len({use_of(by, stored) for by in ("", "phone") for stored in (None, one, other)}) == 6
    uses = LastUse(Clock())
    for by in ("", "phone"):
        uses.note(ALICE, use_of(by, one))
    assert again(uses).rows() == uses.rows()
    assert set(uses.known(ALICE)) == {use_of("", one), use_of("phone", one)}


def test_of_a_password_that_is_stored_as_it_is_nothing_goes_elsewhere() -> None:
    assert use_of("phone", StoredPassword.parse("{PLAIN}pass")) == "phone"


def test_of_too_many_the_longest_ago_go() -> None:
    uses = LastUse(Clock(), most=2)
    for address in (ALICE, BOB, ALICE, ODD):
        uses.note(address)
    assert not uses.known(BOB) and uses.known(ALICE) and uses.known(ODD)
    uses.recall([("x@example.org", "", 1.0)] * 5)
    assert [user for user, _, _ in uses.rows()] == ["alice@example.org", 'a b"c@example.org']


def test_what_came_before_the_file_was_read_is_newer() -> None:
    uses = LastUse(Clock())
    uses.note(ALICE)
    uses.recall([("alice@example.org", "", 5.0), ("bob@example.org", "phone", 6.0)])
    assert uses.known(ALICE) == {"": 1_000_000} and uses.known(BOB) == {"phone": 6}


def test_a_file_s_lines() -> None:
    uses = LastUse(Clock())
    uses.note(ALICE)
    uses.note(ODD, "büro.pc-2")
    assert list(map(LastUse.line, uses.rows())) == [
        "1000000 - alice@example.org",
        '1000000 büro.pc-2 a b"c@example.org',
    ]
    assert again(uses).rows() == uses.rows()


@given(
    st.lists(st.tuples(st.sampled_from([ALICE, BOB, ODD, BLANK]), st.from_regex(r"(\w[\w.-]{0,63})?", fullmatch=True)))
)
def test_whatever_was_noted_is_known_after_a_restart(logins: list[tuple[EmailAddress, str]]) -> None:
    uses = LastUse(Clock())
    for address, by in logins:
        uses.note(address, by)
    assert again(uses).rows() == uses.rows()


@given(st.text())
def test_a_damaged_line_is_no_use_or_one_that_can_be_written(line: str) -> None:
    row = LastUse.row(line)
    assert row is None or LastUse.row(LastUse.line(row)) == row


def test_the_directory_tells_which_password_it_was() -> None:
    stored = StoredPassword.parse("{SSHA}" + "a" * 32)

    class OneRealm:
        async def authenticate(self, address: EmailAddress, password: bytes, service: Service) -> LoggedIn:
            return LoggedIn(User(address), "phone", stored)

        async def by_keys(self, address: EmailAddress, stored_key: bytes, service: Service) -> LoggedIn:
            return LoggedIn(User(address), stored=stored)

    realm: Any = OneRealm()
    uses = LastUse(Clock())
    directory = Directory({"example.org": realm}, used=uses.note)
    done(directory.authenticate(ALICE, b"pass", Service.IMAP))
    done(directory.by_keys(ALICE, b"key", Service.IMAP))
    assert [by for _, by, _ in uses.rows()] == [use_of("phone", stored), use_of("", stored)]

"""From where users have logged in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.auth.guessing.acquaintances import PER_USER, Acquaintances


def test_who_has_logged_in_from_there_is_known_there_alone() -> None:
    known = Acquaintances(10)
    known.met("ann@example.org", "192.0.2.1/32")
    assert known.knows("ann@example.org", "192.0.2.1/32")
    assert not known.knows("ann@example.org", "192.0.2.2/32")
    assert not known.knows("bob@example.org", "192.0.2.1/32")


def test_only_what_is_new_need_be_written_down() -> None:
    known = Acquaintances(10)
    known.recall([("ann@example.org", ("192.0.2.1/32",))])
    assert not known.is_new
    known.met("ann@example.org", "192.0.2.1/32")
    assert not known.is_new
    known.met("ann@example.org", "192.0.2.2/32")
    assert known.is_new


def test_who_was_here_last_is_kept() -> None:
    known = Acquaintances(2)
    for user in ("ann", "bob", "ann", "carol"):
        known.met(user, "192.0.2.1/32")
    assert [user for user, _ in known] == ["ann", "carol"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 50).map(str)), max_size=300))
def test_so_many_are_known_and_come_back_as_they_were(pairs: list[tuple[str, str]]) -> None:
    known, again = Acquaintances(4), Acquaintances(4)
    for user, network in pairs:
        known.met(user, network)
    written = list(known)
    assert len({user for user, _ in written}) <= 4
    assert all(sum(user == one for user, _ in written) <= PER_USER for one in "abcdef")
    assert written[-1:] == pairs[-1:]
    rows = list(known.rows())
    assert [again.row(again.line(row)) for row in rows] == rows
    for row in reversed(rows):
        again.recall([row])
    assert list(again) == written and not again.is_new


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("123456789"), st.booleans()), max_size=300))
def test_what_is_written_is_what_is_known(steps: list[tuple[str, str, bool]]) -> None:
    """Whenever it was asked for before, and although only what came since is handed over."""
    known = Acquaintances(4)
    known.recall([(user, ("1", "2")) for user in "fedc"])
    for user, network, is_written in steps:
        known.met(user, network)
        if is_written:
            list(known.rows())
    assert [(user, network) for user, networks in known.rows() for network in networks] == list(known)


def test_what_was_kept_is_older_than_what_came_since() -> None:
    known = Acquaintances(3)
    for network in range(PER_USER - 2):
        known.met("bob", f"10.0.0.{network}/32")
    known.met("ann", "192.0.2.1/32")
    known.recall([("dan", ("1",)), ("carol", ("2",)), ("bob", tuple("abcd")), ("ann", ("192.0.2.1/32",))])
    known.recall([("eve", ("3",)), ("carol", ("4",))])
    assert [user for user, _ in known.rows()] == ["carol", "bob", "ann"]
    assert known.networks("carol") == ("4", "2")
    assert known.networks("bob") == ("c", "d", *(f"10.0.0.{network}/32" for network in range(PER_USER - 2)))
    assert known.networks("ann") == ("192.0.2.1/32",)

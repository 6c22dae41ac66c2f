"""SEARCH in what a session's view knows: at once where messages are few, and else in the lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailbox_d.imap.python_work import PYTHON_WORK
from mailbox_d.imap.search import command as search
from mailbox_d.imap.search import content as search_content
from mailbox_d.imap.search import recorded as search_recorded
from mailbox_d.imap.search import response as search_response
from mailbox_d.imap.search import view as search_view
from mailbox_d.imap.service import IMAPLimits
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.ports import FlagAction
from tests.contract.store.mailboxes import append
from tests.dialogues.imap_server import filled_store
from tests.unit.imap.talking import inbox, said, selected

KEYS = b"".join(b" NOT KEYWORD k%d" % number for number in range(100))
COMMANDS = (
    b"c SEARCH ALL",
    b"c UID SEARCH NOT UID 2,4,6:8,30:*",
    b"c SEARCH SEEN",
    b"c SEARCH KEYWORD nobody",
    b"c SEARCH OR 1:3,9 (KEYWORD WORK LARGER 10) SMALLER 1000",
    b"c SEARCH RETURN () 2,4:7,9,11",
    b"c SEARCH RETURN (MIN MAX COUNT) UNSEEN",
    b"c UID SEARCH RETURN (ALL COUNT) KEYWORD nobody",
    b"c UID SEARCH RETURN (MAX) MODSEQ 1",
    b"c SEARCH MODSEQ 1",
    b"c SEARCH RECENT" + KEYS,
    b"c SEARCH 5:9 TEXT 7",
    b"c SEARCH 99",
)


def store_of(messages: int) -> MemoryStore:
    store = filled_store()
    for number in range(2, messages):
        inbox(store).add(b"Subject: %d\r\n\r\n" % number, frozenset({r"\Seen"} if number % 3 else {"Work"}))
    return store


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[bool]]:
    """What was done, and whether it was Python's work in its turn: in the lane, for the reactor takes none."""
    done: dict[str, set[bool]] = {}

    def watched(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any) -> Any:
            done.setdefault(name, set()).add(PYTHON_WORK.locked())
            return work(*args)

        return noted

    monkeypatch.setattr(search_view, "matching", watched("keys", search_view.matching))
    monkeypatch.setattr(search, "evaluate", watched("verdict", search.evaluate))
    monkeypatch.setattr(search, "_numbered", watched("undecided", search._numbered))
    monkeypatch.setattr(search, "response", watched("response", search.response))
    monkeypatch.setattr(search_content, "evaluate", watched("message", search_content.evaluate))
    monkeypatch.setattr(search_content, "holds", watched("row", search_content.holds))
    monkeypatch.setattr(search_content, "fold", watched("fold", search_content.fold))
    monkeypatch.setattr(search_recorded, "fold", watched("fold", search_recorded.fold))
    monkeypatch.setattr(search_recorded, "_verdict", watched("rows", search_recorded._verdict))
    return done


def test_attack_63_many_messages_are_searched_in_the_lane(places: dict[str, set[bool]]) -> None:
    connection = selected(store_of(60), IMAPLimits(messages_a_slice=20))
    assert said(connection, b"c SEARCH UNKEYWORD nobody" + KEYS)[0].startswith(b"* SEARCH 1 2 3 4")
    assert places == {"keys": {True}, "verdict": {True}, "response": {True}}


def test_attack_63_what_messages_say_is_held_against_keys_in_turn(places: dict[str, set[bool]]) -> None:
    connection = selected(store_of(60), IMAPLimits(messages_a_slice=20))
    assert said(connection, b"c SEARCH SUBJECT 57")[0] == b"* SEARCH 58"
    assert places["undecided"] == places["rows"] == places["message"] == places["row"] == places["fold"] == {True}


def test_few_messages_are_searched_at_once(places: dict[str, set[bool]]) -> None:
    connection = selected(store_of(60))
    assert said(connection, b"c SEARCH UNKEYWORD nobody" + KEYS)[0].startswith(b"* SEARCH 1 2 3 4")
    assert places == {"keys": {False}, "verdict": {False}, "response": {False}}


def test_attack_63_a_sequence_set_of_many_ranges_is_looked_through_in_the_lane(places: dict[str, set[bool]]) -> None:
    connection = selected(store_of(5), IMAPLimits(messages_a_slice=20))
    odd = b",".join(b"%d" % number for number in range(1, 60, 2))
    assert said(connection, b"c UID SEARCH NOT UID " + odd)[0] == b"* SEARCH 2 4"
    assert places["keys"] == {True}


@pytest.mark.parametrize("messages", [0, 1, 7, 40])
def test_answers_are_the_same_in_the_lane_and_in_small_pieces(messages: int, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = selected(store_of(30))
    answers = [said(at_once, command) for command in COMMANDS]
    assert answers[1][0] == b"* SEARCH 1 3 5 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29"
    assert answers[5][0] == b'* ESEARCH (TAG "c") ALL 2,4:7,9,11'
    assert answers[-1] == [b"c BAD There is no message with this number"]
    monkeypatch.setattr(search_response, "_NUMBERS_A_PIECE", 2)
    in_pieces = selected(store_of(30), IMAPLimits(messages_a_slice=messages))
    assert [said(in_pieces, command) for command in COMMANDS] == answers


def test_sequence_numbers_stand_still_while_a_search_runs() -> None:
    store = store_of(10)
    connection = selected(store, IMAPLimits(messages_a_slice=1))
    connection.protocol.dataReceived(b"c SEARCH NOT 1 SEEN UNKEYWORD Work\r\n")
    inbox(store).expunge([1, 2])
    inbox(store).change_flags([5], FlagAction.REMOVE, frozenset({r"\Seen"}))
    append(inbox(store), b"Subject: new\r\n\r\n")
    assert connection.transport.take() == b""
    connection.settle()
    told = connection.transport.take().splitlines()
    assert told[0] == b"* SEARCH 3 5 6 8 9"
    assert not any(b"EXPUNGE" in line for line in told)
    assert {b"* 2 EXPUNGE", b"* 1 EXPUNGE"} <= set(said(connection, b"d NOOP"))

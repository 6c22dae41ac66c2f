"""Questions to the record find what they ask for, all of it and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.record import lookup
from mailbox_d.record.events import Enqueued, Event, Refused, Reported, Tried
from mailbox_d.record.lines import LINE_MAX, format_event
from mailbox_d.record.lookup import Found, look_up, octets_of, question
from mailbox_d.record.recorder import record_folders
from mailbox_d.store.files import FileSystem
from tests.unit.record.happenings import ALICE, BOB, NOON, kept, received, write

FILES = FileSystem()


def asked(state: Path, text: str, last: int = 10) -> list[Found]:
    return look_up(FILES, [os.fsencode(folder) for folder in record_folders(state)], question(text), last)


def identifiers(state: Path, text: str, last: int = 10) -> list[str]:
    return [found.identifier for found in asked(state, text, last)]


def segment(state: Path, began: int, *lines: bytes) -> None:
    folder = state / "record"
    folder.mkdir(exist_ok=True)
    (folder / f"{began:016}.jsonl").write_bytes(b"".join(lines))


def test_a_message_is_found_with_all_its_events_by_each_of_its_names(tmp_path: Path) -> None:
    story = [received("A1"), kept("A1"), Enqueued("A1", NOON, (ALICE,))]
    write(tmp_path, received("B2", message_id="<b@b>", sender=BOB), *story, kept("C3", recipient=ALICE))
    for text in ("A1", "a1", "<a@b>", "a@b", " <a@b> "):
        (found,) = asked(tmp_path, text)
        assert (found.identifier, found.events, found.has_begun, found.cut) == ("A1", story, True, False)
    assert identifiers(tmp_path, "bob@example.net") == ["B2", "A1"]
    assert identifiers(tmp_path, "alice.x@EXAMPLE.org") == ["A1", "C3"]
    assert identifiers(tmp_path, "<alice.x@example.org>") == ["A1", "C3"]
    assert not asked(tmp_path, "alice.x@example.org")[1].has_begun


@pytest.mark.parametrize(
    "text", ["A", "A11", "1", "a@", "<A@b>", "<a@b", "@b", "lice.x@example.org", "bob@example", ""]
)
def test_what_is_only_part_of_a_name_is_not_found(tmp_path: Path, text: str) -> None:
    write(tmp_path, received("A1"), kept("A1"))
    assert asked(tmp_path, text) == []


def test_what_went_on_from_a_message_on_ways_of_its_own_is_found_with_it(tmp_path: Path) -> None:
    tried = Tried("A1-2", NOON + 1, BOB, "relayed", "2.0.0")
    write(tmp_path, received("A1"), Enqueued("A1", NOON, (BOB,)), tried, received("A12"), kept("A1-P1"))
    assert identifiers(tmp_path, "A1") == ["A1", "A1-P1", "A1-2"]
    assert identifiers(tmp_path, "a1-2") == ["A1-2"]


def test_what_strangers_say_is_taken_for_nobodys_address(tmp_path: Path) -> None:
    said = Tried("A1", NOON, ALICE, "failed", "5.1.1", reply="bob@example.net", reason='"bob@example.net"')
    write(tmp_path, said)
    assert asked(tmp_path, "bob@example.net") == []


@pytest.mark.parametrize(
    ("sender", "text"),
    [
        ("Straße@example.org", "STRASSE@example.org"),
        ("élise@exämple.org", "Élise@EXÄMPLE.org"),
        ('"a b"@example.org', '"A B"@example.org'),
        ("\uff41lice@example.org", "alice@example.org"),
    ],
)
def test_addresses_are_compared_folded(tmp_path: Path, sender: str, text: str) -> None:
    write(tmp_path, received("A1", sender=EmailAddress.parse(sender)))
    assert identifiers(tmp_path, text) == ["A1"]


def test_the_latest_messages_are_told_the_newest_last(tmp_path: Path) -> None:
    events: list[Event] = [received(f"M{number}", NOON + number) for number in range(30)]
    write(tmp_path, *events, kept("M3", NOON + 100))
    assert identifiers(tmp_path, str(ALICE), 3) == ["M27", "M28", "M29"]
    assert identifiers(tmp_path, str(BOB), 3) == ["M3"]


def test_what_was_refused_is_among_the_messages(tmp_path: Path) -> None:
    refused = Refused("R1", NOON + 1, "smtp", stage="rcpt", sender=ALICE, recipients=(BOB,), reply="no")
    write(tmp_path, received("A1"), refused, received("B2", NOON + 2))
    assert identifiers(tmp_path, str(ALICE)) == ["A1", "R1", "B2"]
    assert identifiers(tmp_path, str(ALICE), 2) == ["R1", "B2"]
    assert asked(tmp_path, "R1")[0].events == [refused]


def test_a_report_is_found_with_the_message_that_it_is_about(tmp_path: Path) -> None:
    write(tmp_path, received("A1"), Reported("A1", NOON, "D2", ALICE, "failed", (BOB,)), received("D2", NOON + 1))
    assert identifiers(tmp_path, "D2") == ["A1", "D2"]


def test_a_story_goes_on_over_files_and_is_not_read_back_beyond_its_beginning(tmp_path: Path) -> None:
    segment(tmp_path, 1, format_event(received("A1")) * 1)
    segment(tmp_path, 2, format_event(received("B2", NOON + 1)))
    segment(tmp_path, 3, format_event(kept("B2", NOON + 2)), format_event(kept("A1", NOON + 3)))
    assert [len(found.events) for found in asked(tmp_path, str(BOB))] == [2, 2]
    (tmp_path / "record/0000000000000001.jsonl").chmod(0)
    looked: list[int] = []
    folders = [os.fsencode(folder) for folder in record_folders(tmp_path)]
    look_up(FILES, folders, question("b2"), 1, looked.append)
    newest = [(tmp_path / f"record/{number:016}.jsonl").stat().st_size for number in (3, 2)]
    assert looked == [newest[0], *newest]


def test_junk_torn_lines_and_lines_without_end_keep_nothing_back(tmp_path: Path) -> None:
    whole = format_event(received("A1"))
    junk = [b'{"message":"A1","at"\n', b"\xff\x00" * 1000 + b"\n", b"\n\n", b'{"message":"A1",' + whole]
    huge = b"x" * (3 * (1 << 20))
    segment(tmp_path, 1, whole, *junk, huge, b"\n", format_event(kept("A1")), huge, whole[:30])
    (found,) = asked(tmp_path, "A1")
    assert found.events == [received("A1"), kept("A1")]
    segment(tmp_path, 2, format_event(kept("A1", NOON + 1))[:-1])
    assert len(asked(tmp_path, "A1")[0].events) == 3


def test_lines_lie_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [format_event(received(f"M{number}", NOON + number)) for number in range(12)]
    segment(tmp_path, 1, *lines)
    for block in range(1, 400):
        monkeypatch.setattr(lookup, "_BLOCK", block)
        assert identifiers(tmp_path, str(ALICE), 5) == [f"M{number}" for number in range(7, 12)], block


def test_a_batch_that_was_written_twice_is_told_once(tmp_path: Path) -> None:
    lines = [format_event(event) for event in (received("A1"), kept("A1"))]
    segment(tmp_path, 1, *lines, *lines)
    assert len(asked(tmp_path, "A1")[0].events) == 2


def test_of_a_very_long_story_the_latest_events_and_the_beginning_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "EVENTS_MAX", 5)
    write(tmp_path, received("A1"), *(kept("A1", NOON + number) for number in range(1, 20)))
    (found,) = asked(tmp_path, "A1")
    assert found.cut and [event.at - NOON for event in found.events] == [0, 15, 16, 17, 18, 19]


def test_where_there_is_no_record_nothing_is_found(tmp_path: Path) -> None:
    assert asked(tmp_path, "A1") == []
    assert octets_of(FILES, [os.fsencode(tmp_path / "record")]) == 0


def test_no_line_of_ours_is_longer_than_what_is_read(tmp_path: Path) -> None:
    long = received("A1", message_id="<" + "x" * (LINE_MAX - 1000) + "@b>")
    write(tmp_path, long, received("B2"))
    segment(tmp_path, 1, format_event(long))
    assert asked(tmp_path, "A1")[0].events == [long]

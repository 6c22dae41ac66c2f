"""dovecot-keywords: letters and their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailbox_d.errors import MailError, TooManyKeywords
from mailbox_d.store.files import FileSystem
from mailbox_d.store.folder import Folder
from mailbox_d.store.keywords import Keywords, KeywordsFile


def test_the_file_is_read_and_written() -> None:
    keywords = Keywords.parse(b"0 $Forwarded\n1 Work\n")
    assert keywords.names == {0: "$Forwarded", 1: "Work"}
    assert keywords.format() == b"0 $Forwarded\n1 Work\n"


def test_lines_that_say_nothing_are_passed_over() -> None:
    keywords = Keywords.parse(b"0 a\nx\n26 z\n-1 q\n 2 q\n3\n4 \n999999999999 q\n1 \xff\r\n0 again\n")
    assert keywords.names == {0: "a", 1: "\\xff"}


def test_letters_and_flags() -> None:
    keywords = Keywords({0: "Work", 2: "$Junk"})
    assert sorted(keywords.letters({"\\Seen", "work", "$JUNK", "unknown", "\\Recent"})) == sorted(b"Sac")
    assert keywords.flags(b"SFacbXP") == {"\\Seen", "\\Flagged", "Work", "$Junk"}
    assert keywords.meaning(b"SFacbXP") == b"SFac"


def test_a_new_keyword_takes_the_letter_behind_the_last_one() -> None:
    assert Keywords({0: "a", 4: "b"}).with_names(["c"]).names == {0: "a", 4: "b", 5: "c"}
    assert Keywords().with_names(["B", "A"]).names == {0: "A", 1: "B"}


def test_a_letter_that_names_carry_without_a_keyword_is_not_given_away() -> None:
    assert Keywords({0: "a"}).with_names(["c"], b"ab").names == {0: "a", 2: "c"}


def test_known_keywords_take_no_letter() -> None:
    keywords = Keywords({0: "Work"})
    assert keywords.with_names(["WORK", "work"]) == keywords


def test_there_are_26_letters() -> None:
    full = Keywords().with_names([f"k{number}" for number in range(26)])
    assert full.is_full()
    assert full.letters({"k9"})
    with pytest.raises(TooManyKeywords):
        full.with_names(["more"])


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "a\0", "ü", "a]", "a\\b", "x" * 1000])
def test_what_is_no_keyword_never_reaches_the_file(name: str) -> None:
    with pytest.raises(MailError):
        Keywords().with_names([name])


def test_the_file_s_time_moves_by_a_whole_second(tmp_path: Path) -> None:
    folder = Folder(bytes(tmp_path))
    file = KeywordsFile(FileSystem(), folder, clock=lambda: 1000.9)
    times = []
    for count in range(3):
        file.write(Keywords().with_names([f"k{number}" for number in range(count + 1)]))
        times.append((tmp_path / "dovecot-keywords").stat().st_mtime)
    assert times == [1000.0, 1001.0, 1002.0]
    assert file.read().names == {0: "k0", 1: "k1", 2: "k2"}
    assert [path.name for path in tmp_path.iterdir()] == ["dovecot-keywords"]

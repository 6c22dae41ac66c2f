"""Every dialogue of our client with another server, as written and in pieces."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialogues.client_dialogue import longest_step, play, read
from tests.dialogues.runner import cut_at, single_octets
from tests.dialogues.test_dialogues import MOST_CUTS

PATHS = sorted((Path(__file__).parent / "relay").glob("*.txt"))

each_dialogue = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


@each_dialogue
def test_as_written(path: Path) -> None:
    play(read(path))


@each_dialogue
def test_octet_by_octet(path: Path) -> None:
    play(read(path), single_octets)


@each_dialogue
def test_cut_at_every_place(path: Path) -> None:
    dialogue = read(path)
    longest = longest_step(dialogue)
    for place in range(1, longest, max(1, longest // MOST_CUTS)):
        play(dialogue, cut_at(place))


def test_a_dialogue_that_goes_another_way_fails(tmp_path: Path) -> None:
    path = tmp_path / "wrong.txt"
    for wrong in ("S: 220 a\nC: HELO b", "S: 220 a", "CLOSED", "S: 220 a\nC: EHLO client.example.org\nOPEN"):
        path.write_text(wrong)
        with pytest.raises(AssertionError, match=r"client|open"):
            play(read(path))

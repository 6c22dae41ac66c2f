"""Every dialogue, as written and in pieces."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.dialogues.dialogue import read
from tests.dialogues.runner import cut_at, glued, longest_turn, play, single_octets
from tests.dialogues.servers import SERVERS

FOLDER = Path(__file__).parent
PATHS = [path for name in SERVERS for path in sorted((FOLDER / name).glob("*.txt"))]
CLIENT_S = "relay"
"""The folder of our client's dialogues, which test_client_dialogues.py plays."""

MOST_CUTS = 600
"""Turns longer than this are cut at evenly spread places only."""

each_dialogue = pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")


@pytest.fixture(autouse=True)
def one_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's part of SCRAM's nonces is always the same, so that the proofs can be written down."""
    monkeypatch.setattr("mailbox_d.wire.sasl.scram.secrets", SimpleNamespace(token_bytes=bytes))


@each_dialogue
def test_as_written(path: Path) -> None:
    dialogue = read(path)
    play(dialogue, SERVERS[path.parent.name](dialogue.options))


@each_dialogue
def test_octet_by_octet(path: Path) -> None:
    dialogue = read(path)
    play(dialogue, SERVERS[path.parent.name](dialogue.options), single_octets)


@each_dialogue
def test_cut_at_every_place(path: Path) -> None:
    dialogue = read(path)
    longest = longest_turn(dialogue)
    for place in range(1, longest, max(1, longest // MOST_CUTS)):
        play(dialogue, SERVERS[path.parent.name](dialogue.options), cut_at(place))


@pytest.mark.parametrize(
    "path", [path for path in PATHS if read(path).glue], ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_all_sent_ahead(path: Path) -> None:
    dialogue = glued(read(path))
    play(dialogue, SERVERS[path.parent.name](dialogue.options))


def test_every_folder_of_dialogues_has_a_server() -> None:
    assert {path.parent.name for path in FOLDER.glob("*/*.txt")} - {CLIENT_S} <= SERVERS.keys()

"""The runner itself, over a server that shouts back."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.protocols.basic import LineReceiver

from tests.dialogues.dialogue import Client, Dialogue, read
from tests.dialogues.memory import Connection
from tests.dialogues.runner import cut_at, glued, play, single_octets

DIALOGUE = r"""# shouting
S: * ready
C: hello
S: HELLO
S~: [0-9]+
C-raw: a\x41\xff\r\n
S: <any>
S~: 3
C-many: 2 x
S: X
S: 1
S: X
S: 1
C: bye
S: BYE
CLOSED
"""


class Shouting(LineReceiver):
    def connectionMade(self) -> None:
        self.sendLine(b"* ready")

    def lineReceived(self, line: bytes) -> None:
        self.sendLine(line.upper())
        if line == b"bye":
            self.transport.loseConnection()
        else:
            self.sendLine(b"%d" % len(line))


def written(tmp_path: Path, text: str) -> Dialogue:
    path = tmp_path / "dialogue.txt"
    path.write_text(text)
    return read(path)


@pytest.mark.parametrize("cut", [single_octets, cut_at(1), cut_at(3)])
def test_a_dialogue_is_played_however_it_is_cut(tmp_path: Path, cut: object) -> None:
    play(written(tmp_path, DIALOGUE), Connection(Shouting()), cut)


def test_glued_the_client_sends_everything_at_once(tmp_path: Path) -> None:
    dialogue = glued(written(tmp_path, DIALOGUE))
    sent = [step.data for step in dialogue.steps if isinstance(step, Client)]
    assert sent == [b"hello\r\naA\xff\r\nx\r\nx\r\nbye\r\n"]
    play(dialogue, Connection(Shouting()))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("S: * reddy", "should have said: * reddy"),
        ("S: * ready\nC: hi", "should have said no more"),
        ("S: * ready\nC: hi\nS: HI\nS: 2\nS: 3", "should have said: 3"),
        ("S: * ready\nC: hi\nS: HI\nS: 2\nCLOSED", "did not close"),
        ("S: * ready\nC: bye\nS: BYE", "the server closed"),
        ("S: * ready\nTLS", "did not begin TLS"),
    ],
)
def test_another_course_is_an_assertion_error(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(AssertionError) as caught:
        play(written(tmp_path, text), Connection(Shouting()))
    assert fault in str(caught.value)


def test_a_word_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"dialogue\.txt:2: X: is not a word"):
        written(tmp_path, "S: a\nX: b")

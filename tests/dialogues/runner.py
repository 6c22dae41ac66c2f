"""Playing a dialogue against a server in memory, and in as many pieces as the network could make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.dialogues.dialogue import Client, Closed, Dialogue, Server, Step, Tls, Wait
from tests.dialogues.memory import Connection

Cut = Callable[[bytes], list[bytes]]
"""How the client's octets are cut into segments."""


def whole(data: bytes) -> list[bytes]:
    return [data]


def single_octets(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def cut_at(place: int) -> Cut:
    """Each turn of the client's comes in two segments."""
    return lambda data: [piece for piece in (data[:place], data[place:]) if piece]


def longest_turn(dialogue: Dialogue) -> int:
    return max((len(step.data) for step in dialogue.steps if isinstance(step, Client)), default=0)


def glued(dialogue: Dialogue) -> Dialogue:
    """The same conversation with a client that sends all it has to say at once, up to where it must wait."""
    steps: list[Step] = []
    for stretch in _stretches(dialogue.steps):
        says = [step for step in stretch if isinstance(step, Server)]
        sends = b"".join(step.data for step in stretch if isinstance(step, Client))
        first = next((at for at, step in enumerate(stretch) if isinstance(step, Client)), len(stretch))
        before = [step for step in stretch[:first] if isinstance(step, Server)]
        steps += [*before, *([Client(sends)] if sends else []), *says[len(before) :]]
        steps += [step for step in stretch if not isinstance(step, (Client, Server))]
    return Dialogue(tuple(steps), dialogue.options, glue=True)


def play(dialogue: Dialogue, connection: Connection, cut: Cut = whole) -> None:
    """Hold the conversation; an `AssertionError` tells where it went another way."""
    told: list[str] = []
    connection.connect()
    for turn in _turns(dialogue.steps):
        for step in turn:
            match step:
                case Client():
                    told.append(f"C: {step.data!r}")
                    for piece in cut(step.data):
                        connection.send(piece)
                case Tls():
                    assert connection.transport.tls_begun, _story(told, "the server did not begin TLS")
                    connection.finish_handshake()
                case Wait():
                    connection.clock.advance(step.seconds)
                    connection.settle()
                case Closed():
                    assert connection.closed, _story(told, "the server did not close")
        _compare([step for step in turn if isinstance(step, Server)], connection.transport.take(), told)
    if not isinstance(dialogue.steps[-1], Closed):
        assert not connection.closed, _story(told, "the server closed")


def _compare(expected: list[Server], output: bytes, told: list[str]) -> None:
    lines = output.split(b"\r\n")
    assert lines.pop() == b"", _story(told, f"the server ended in mid-line: {output!r}")
    for at in range(max(len(lines), len(expected))):
        said = lines[at] if at < len(lines) else None
        wanted = expected[at] if at < len(expected) else None
        told.append(f"S: {said!r}")
        if wanted is None:
            raise AssertionError(_story(told, "the server should have said no more"))
        if said is None or wanted.pattern.fullmatch(said) is None:
            raise AssertionError(_story(told, f"the server should have said: {wanted.written}"))


def _turns(steps: tuple[Step, ...]) -> Iterator[list[Step]]:
    """What the client does, perhaps several things, with what the server says to it; the greeting comes first."""
    turn: list[Step] = []
    for step in steps:
        if turn and isinstance(turn[-1], (Server, Closed)) and not isinstance(step, (Server, Closed)):
            yield turn
            turn = []
        turn.append(step)
    yield turn


def _stretches(steps: tuple[Step, ...]) -> Iterator[list[Step]]:
    """Steps up to and with one over which the client cannot send ahead."""
    stretch: list[Step] = []
    for step in steps:
        stretch.append(step)
        if isinstance(step, (Tls, Wait, Closed)):
            yield stretch
            stretch = []
    yield stretch


def _story(told: list[str], fault: str) -> str:
    return "\n".join([*told[-20:], fault])

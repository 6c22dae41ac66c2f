"""What an IMAP server says, taken apart as a client does it (RFC 3501 section 9), for a model to compare."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = "bytes | list[Value]"
"""An atom, number or string as its octets; a list in parentheses as a list."""

_LITERAL = re.compile(rb"\{([0-9]+)\}\r\n")
_NUMBERED = re.compile(rb"([0-9]+) (EXISTS|RECENT|EXPUNGE|FETCH)")
_ATOM = re.compile(rb'[^][ ()"{}]++(?:\[[^]]*+\](?:<[0-9]++>)?+)?+')


@dataclass(frozen=True, slots=True)
class Response:
    """One response: its first word is `tag` (`*` for untagged); `number` and `kind` of a numbered one, else the rest's
    first word is the kind. `text` is what stands behind the kind.
    """

    tag: bytes
    number: int | None
    kind: bytes
    text: bytes


def responses(said: bytes) -> Iterator[Response]:
    """Each response of a server's output, which must end behind a response."""
    while said:
        end = _end(said)
        line, said = said[:end], said[end:]
        tag, _, rest = line.removesuffix(b"\r\n").partition(b" ")
        if numbered := _NUMBERED.match(rest):
            yield Response(tag, int(numbered[1]), numbered[2], rest[numbered.end() + 1 :])
        else:
            kind, _, text = rest.partition(b" ")
            yield Response(tag, None, kind, text)


def _end(said: bytes) -> int:
    """Where the first response ends: at a line end that no literal stands behind."""
    at = said.index(b"\r\n") + 2
    while literal := _LITERAL.search(said, max(0, said.rfind(b"{", 0, at)), at):
        if literal.end() != at:
            break
        at = said.index(b"\r\n", at + int(literal[1])) + 2
    return at


def items(text: bytes) -> dict[bytes, Value]:
    """The items of a FETCH response: names as they stand there, and values."""
    (listed,), rest = _values(text)
    assert not rest and isinstance(listed, list) and len(listed) % 2 == 0, text
    names = listed[::2]
    assert all(isinstance(name, bytes) for name in names), text
    return dict(zip(names, listed[1::2], strict=True))  # type: ignore[arg-type]


def _values(text: bytes) -> tuple[list[Value], bytes]:
    """The values up to a closing parenthesis or the end, and what stands behind it."""
    found: list[Value] = []
    while text and not text.startswith(b")"):
        value, text = _value(text)
        found.append(value)
        text = text.removeprefix(b" ")
    return found, text[1:]


def _value(text: bytes) -> tuple[Value, bytes]:
    if text.startswith(b"("):
        return _values(text[1:])
    if text.startswith(b'"'):
        quoted = re.match(rb'"((?:[^"\\]|\\.)*+)"', text)
        assert quoted, text
        return re.sub(rb"\\(.)", rb"\1", quoted[1]), text[quoted.end() :]
    if literal := _LITERAL.match(text):
        end = literal.end() + int(literal[1])
        return text[literal.end() : end], text[end:]
    atom = _ATOM.match(text)
    assert atom, text
    return atom[0], text[atom.end() :]

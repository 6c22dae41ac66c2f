"""Answers as lines of JSON. In them, octets that are no UTF-8 are lone surrogates, as Python has them (PEP 383)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, TypeAlias

from mailbox_d.errors import MailError

Answer: TypeAlias = Mapping[str, object]
"""What is told: the kind under `answer`, then what belongs to the kind: texts, numbers, lists of texts."""

LINE_MAX: Final = 256 * 1024
"""Octets of an answer's line."""

_TEXT_MAX: Final = 8000


class BadAnswer(MailError):
    """A line that is no answer."""


def format_answer(answer: Answer) -> bytes:
    """The line of an answer, with its end; a text that is too long is cut."""
    return json.dumps({key: _short(value) for key, value in answer.items()}).encode("ascii") + b"\n"


def parse_answer(line: bytes) -> dict[str, object]:
    """Read a line without its end. Raises `BadAnswer`."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        raise BadAnswer("This is no answer of mailboxd") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("answer"), str):
        raise BadAnswer("This is no answer of mailboxd")
    return answer


def _short(value: object) -> object:
    return value if not isinstance(value, str) or len(value) <= _TEXT_MAX else value[:_TEXT_MAX] + "…"

"""New values as YAML: text without quotes only where no YAML reader could take it for something else."""

from __future__ import annotations

import re

from mailbox_d.auth.users_edit.changes import CannotEdit
from mailbox_d.config.faults import ConfigurationError
from mailbox_d.config.source import Plain, parse_document

_SIMPLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+@-]*(?: [A-Za-z]+)?")
_ESCAPES = {'"': '\\"', "\\": "\\\\"}


def in_line(value: Plain) -> str:
    """A value in flow style, on one line."""
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, list):
        return f"[{', '.join(map(in_line, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{scalar(key)}: {in_line(item)}' for key, item in value.items())}}}"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise CannotEdit("a number with a fraction cannot be written")


def entry_lines(key: str, value: Plain, indent: int, width: int) -> list[str]:
    """An entry of a mapping in block style; lists and what is empty stay on their line."""
    margin = " " * indent
    if not isinstance(value, dict) or not value:
        return [f"{margin}{scalar(key)}: {in_line(value)}"]
    lines = [f"{margin}{scalar(key)}:"]
    for inner, item in value.items():
        lines += entry_lines(inner, item, indent + width, width)
    return lines


def scalar(text: str) -> str:
    """Text as a key or a value."""
    return text if _is_plain(text) else '"' + "".join(map(_escaped, text)) + '"'


def _is_plain(text: str) -> bool:
    if not _SIMPLE.fullmatch(text):
        return False
    try:
        document = parse_document(f"{text}: {text}", "")
    except ConfigurationError:
        return False
    return not document.faults and document.value == {text: text}


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"

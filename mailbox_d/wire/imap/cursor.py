"""Reading a command's text from left to right: the terminals of RFC 3501 section 9.

Every pattern is possessive: the work is linear in the text whatever a stranger writes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailbox_d.wire.imap.errors import BadSyntax

_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]++")
_ASTRING_CHARS = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\]++")
_LIST_CHARS = re.compile(rb"[^\x00-\x20\x7f-\xff(){\"\\]++")
_QUOTED = re.compile(rb"\"([^\"\\\x00\r\n]*+(?>(?:\\[\"\\][^\"\\\x00\r\n]*+)*))\"")
_NUMBER = re.compile(rb"[0-9]++")
_LARGEST_NUMBER = 0xFFFFFFFF
_LARGEST_MOD_SEQUENCE = (1 << 63) - 1
_MOD_SEQUENCE_DIGITS = 19


@dataclass(frozen=True, slots=True)
class GrammarLimits:
    """How much of what nests or repeats a command may hold: counts."""

    search_depth: int = 100
    search_keys: int = 1000
    fetch_attributes: int = 300
    section_depth: int = 100
    field_names: int = 1000
    """Of one HEADER.FIELDS."""
    flags: int = 1000
    """Of one STORE or APPEND; a mailbox has some thirty."""
    list_patterns: int = 30
    """Of one LIST (RFC 5258)."""
    enabled_capabilities: int = 50
    """Names in one ENABLE (RFC 5161)."""
    id_pairs: int = 30
    """RFC 2971 section 3.3."""


DEFAULT_LIMITS: Final = GrammarLimits()


class Cursor:
    """A place in a command's text. Every method raises `BadSyntax` where the text does not go on as asked."""

    __slots__ = ("_literals", "at", "limits", "text", "utf8")

    def __init__(
        self,
        text: bytes,
        at: int = 0,
        literals: Sequence[bytes] = (),
        limits: GrammarLimits = DEFAULT_LIMITS,
        *,
        utf8: bool = False,
    ) -> None:
        """`text` has a NUL in place of each literal, as the framer gives it; `utf8` if UTF8=ACCEPT is enabled."""
        self.text = text
        self.at = at
        self.limits = limits
        self.utf8 = utf8
        self._literals = iter(literals)

    @property
    def at_end(self) -> bool:
        return self.at == len(self.text)

    def next_is(self, token: bytes) -> bool:
        return self.text.startswith(token, self.at)

    def accept(self, token: bytes) -> bool:
        """Go past `token` if it is next."""
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def expect(self, token: bytes) -> None:
        if not self.accept(token):
            raise BadSyntax(f"Expected {_shown(token)}")

    def space(self) -> None:
        if not self.accept(b" "):
            raise BadSyntax("Missing argument" if self.at_end else "Expected a space")

    def end(self) -> None:
        if self.at != len(self.text):
            raise BadSyntax("Unexpected text behind the command")

    def take(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        """What matches `pattern` here; `what` names it in the complaint."""
        match = pattern.match(self.text, self.at)
        if match is None:
            raise BadSyntax(f"Expected {what}")
        self.at = match.end()
        return match[0]

    def rest(self) -> bytes:
        """All that is left of the text."""
        rest = self.text[self.at :]
        self.at = len(self.text)
        return rest

    def atom(self) -> bytes:
        return self.take(_ATOM, "an atom")

    def astring(self) -> bytes:
        if self.next_is(b'"') or self.next_is(b"\0"):
            return self.string()
        return self.take(_ASTRING_CHARS, "a string")

    def list_mailbox(self) -> bytes:
        """A mailbox name in which `*` and `%` are wildcards."""
        if self.next_is(b'"') or self.next_is(b"\0"):
            return self.string()
        return self.take(_LIST_CHARS, "a mailbox pattern")

    def string(self) -> bytes:
        """A quoted string or a literal. Quoted strings may hold 8-bit octets, which many clients send in passwords.

        With UTF8=ACCEPT they must be UTF-8 (RFC 6855 section 3).
        """
        if self.accept(b"\0"):
            return next(self._literals)
        match = _QUOTED.match(self.text, self.at)
        if match is None:
            raise BadSyntax("Expected a string")
        self.at = match.end()
        if self.utf8 and not _is_utf8(match[1]):
            raise BadSyntax("A quoted string is in UTF-8")
        return _unescaped(match[1]) if b"\\" in match[1] else match[1]

    def nstring(self) -> bytes | None:
        if self.text[self.at : self.at + 3].upper() == b"NIL":
            self.at += 3
            return None
        return self.string()

    def number(self) -> int:
        digits = self.take(_NUMBER, "a number")
        return number(digits)

    def mod_sequence(self) -> int:
        """A number of 63 bits (RFC 7162 section 7); 0 is taken wherever a client writes it."""
        digits = self.take(_NUMBER, "a mod-sequence").lstrip(b"0") or b"0"
        if len(digits) > _MOD_SEQUENCE_DIGITS or int(digits) > _LARGEST_MOD_SEQUENCE:
            raise BadSyntax(f"A mod-sequence is at most {_LARGEST_MOD_SEQUENCE}")
        return int(digits)

    def nz_number(self) -> int:
        value = self.number()
        if not value:
            raise BadSyntax("Expected a number above zero")
        return value


def number(digits: bytes) -> int:
    """A `number` of RFC 3501: below 2^32. Raises `BadSyntax`. `digits` must be digits."""
    if len(digits) > 10:
        digits = digits.lstrip(b"0") or b"0"
    if len(digits) > 10 or (value := int(digits)) > _LARGEST_NUMBER:
        raise BadSyntax("A number is at most 4294967295")
    return value


def _unescaped(quoted: bytes) -> bytes:
    """Without the backslashes that quote others and quotes; a NUL, which no quoted string holds, marks the kept."""
    return quoted.replace(b"\\\\", b"\0").replace(b"\\", b"").replace(b"\0", b"\\")


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _shown(token: bytes) -> str:
    return "a space" if token == b" " else token.decode("ascii")

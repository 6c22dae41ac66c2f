"""The header section of a message, scanned as it comes in (RFC 5322 section 2.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

_CRLF = b"\r\n"
_NAME_END = 78
"""Octets of a line within which a field's name must end; a name has 77 at most."""


class HeaderScanner:
    """Fed the octets of a message, counts its header fields by name and keeps the values of a chosen few.

    Holds at most one line and the chosen values, `max_kept` octets in all: what exceeds that is cut and `cut` says so.
    """

    def __init__(self, keep: Collection[str], *, max_kept: int = 16384) -> None:
        """`keep`: names of fields, in lower case, whose values are kept unfolded in `values`."""
        self.octets = 0
        """Length of the header section, with the empty line that ends it."""
        self.fields = 0
        self.counts: Counter[str] = Counter()
        """How often each of the chosen fields occurs."""
        self.values: dict[str, list[str]] = {name: [] for name in keep}
        self.complete = False
        self.cut = False
        self._kept = 0
        self._max_kept = max_kept
        self._carry = b""
        self._dropped = False
        self._current: list[str] | None = None

    def feed(self, data: bytes) -> None:
        """Take the next octets; once the header section is complete they are not looked at."""
        if self.complete:
            return
        lines = (self._carry + data).split(_CRLF)
        carry = lines.pop()
        for line in lines:
            self.octets += len(line) + len(_CRLF)
            if not self._line(line):
                return
        self._hold(carry)

    def finish(self) -> None:
        """The message has ended: what was begun is a line too."""
        if not self.complete and self._carry:
            self.octets += len(self._carry)
            self._line(self._carry)
        self.complete = True

    @property
    def size(self) -> int:
        """Octets seen of the header section so far, an unfinished line included."""
        return self.octets + (0 if self.complete else len(self._carry))

    def _hold(self, carry: bytes) -> None:
        """Keep an unfinished line; of one that is too long, the beginning is enough to know its field."""
        if len(carry) > self._max_kept:
            self.octets += len(carry) - self._max_kept
            self.cut = True
            last = carry[-1:] if carry.endswith(b"\r") else b""
            carry = carry[: self._max_kept - len(last)] + last
        self._carry = carry

    def _line(self, line: bytes) -> bool:
        """Take one line; false when it is the empty one that ends the header section."""
        if not line:
            self.complete = True
        elif line[:1] in (b" ", b"\t"):
            self._continue(line)
        else:
            self._begin(line)
        return bool(line)

    def _begin(self, line: bytes) -> None:
        self.fields += 1
        self._current = None
        colon = line.find(b":", 0, _NAME_END)
        name = line[:colon].rstrip(b" \t").lower().decode("ascii", "replace") if colon > 0 else ""
        if name in self.values:
            self.counts[name] += 1
            self._current = self.values[name]
            self._current.append("")
            self._keep(line[colon + 1 :])

    def _continue(self, line: bytes) -> None:
        if self._current is not None:
            self._keep(line)

    def _keep(self, text: bytes) -> None:
        assert self._current is not None
        room = self._max_kept - self._kept
        self.cut = self.cut or len(text) > room
        kept = text[:room]
        self._kept += len(kept)
        self._current[-1] += kept.decode("utf-8", "surrogateescape")

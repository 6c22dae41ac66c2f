"""The header section of a message, scanned as it comes in (RFC 5322 section 2.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

_CRLF = b"\r\n"
_LONGEST_NAME = 77
"""Octets of a field's name; blanks may stand between it and the colon (RFC 5322 section 4.5)."""


class HeaderScanner:
    """Fed the octets of a message, counts its header fields by name and keeps the values of a chosen few.

    Holds at most one line and, of each chosen field, `max_kept` octets of all its values: what exceeds that is cut, and
    `cut` says of which field.
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
        self.cut: set[str] = set()
        self.begins_folded = False
        """Whether the first line continues a field that is not there; readers differ over what that means."""
        self._kept: Counter[str] = Counter()
        self._max_kept = max_kept
        self._carry = b""
        self._dropped = False
        """Whether an unfinished line was longer than what is held of it."""
        self._current = ""
        """The chosen field that a continuation belongs to."""

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
        held = self._max_kept + _LONGEST_NAME + len(b":")
        if len(carry) > held:
            self.octets += len(carry) - held
            self._dropped = True
            last = carry[-1:] if carry.endswith(b"\r") else b""
            carry = carry[: held - len(last)] + last
        self._carry = carry

    def _line(self, line: bytes) -> bool:
        """Take one line; false when it is the empty one that ends the header section."""
        if not line:
            self.complete = True
        elif line[:1] in (b" ", b"\t"):
            self._continue(line)
        else:
            self._begin(line)
        self._dropped = False
        return bool(line)

    def _begin(self, line: bytes) -> None:
        self.fields += 1
        self._current = ""
        colon = line.find(b":")
        written = line[: max(colon, 0)].rstrip(b" \t")
        name = written.lower().decode("ascii", "replace") if len(written) <= _LONGEST_NAME else ""
        if name in self.values:
            self.counts[name] += 1
            self._current = name
            self.values[name].append("")
            self._keep(line[colon + 1 :])

    def _continue(self, line: bytes) -> None:
        if self._current:
            self._keep(line)
        self.begins_folded = self.begins_folded or not self.fields

    def _keep(self, text: bytes) -> None:
        name = self._current
        room = self._max_kept - self._kept[name]
        if self._dropped or len(text) > room:
            self.cut.add(name)
        kept = text[:room]
        self._kept[name] += len(kept)
        self.values[name][-1] += kept.decode("utf-8", "surrogateescape")

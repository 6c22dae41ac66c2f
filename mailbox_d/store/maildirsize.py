"""`maildirsize`: what an account may hold and what it holds, as Maildir++ and Dovecot's `maildir` quota write it.

The first line has the limits (`1048576S,1000C`: octets, messages; `0S`: none). Each further line is added up to the
usage: octets and messages, signed. What was counted stands in the second line; whoever adds or removes messages
appends a line. No lock guards the file, so it is believed only within bounds, and otherwise all is counted anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailbox_d.store.ports import QuotaLimits, Usage

FILE_NAME = b"maildirsize"

OCTETS_MAX = 5119
"""A longer file is believed by nobody."""

STALE_AFTER = 900.0
"""Seconds after which it is not believed that an account is full."""

_LIMIT = re.compile(rb"([0-9]{1,18})([SC])")
_NUMBER = re.compile(rb"[+-]?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Balance:
    """What the file says. `lines` are those that the usage is the sum of."""

    limits: QuotaLimits
    usage: Usage
    lines: int


def parse(content: bytes) -> Balance | None:
    """What the file says; None where it cannot be believed."""
    if len(content) > OCTETS_MAX or not content.endswith(b"\n"):
        return None
    first, *rest = content[:-1].split(b"\n")
    limits, changes = _parse_limits(first), [_parse_change(line) for line in rest]
    sums = [change for change in changes if change is not None]
    if limits is None or not sums or len(sums) < len(changes):
        return None
    usage = Usage(sum(octets for octets, _ in sums), sum(messages for _, messages in sums))
    return Balance(limits, usage, len(sums)) if min(usage) >= 0 else None


def format_balance(limits: QuotaLimits, usage: Usage) -> bytes:
    """The content of a new file."""
    told = [b"%dS" % (limits.octets or 0)] if limits.octets or not limits.messages else []
    told += [b"%dC" % limits.messages] if limits.messages else []
    return b",".join(told) + b"\n" + format_change(*usage)


def format_change(octets: int, messages: int) -> bytes:
    """A line to be appended."""
    return b"%d %d\n" % (octets, messages)


def _parse_limits(line: bytes) -> QuotaLimits | None:
    found = [_LIMIT.fullmatch(each) for each in line.split(b",")]
    limits = {each[2]: int(each[1]) or None for each in found if each is not None}
    return QuotaLimits(limits.get(b"S"), limits.get(b"C")) if None not in found else None


def _parse_change(line: bytes) -> tuple[int, int] | None:
    numbers = line.split()
    if len(numbers) != 2 or not all(map(_NUMBER.fullmatch, numbers)):
        return None
    return int(numbers[0]), int(numbers[1])

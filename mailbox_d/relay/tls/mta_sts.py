"""MTA-STS: what a domain says of its mail servers' TLS (RFC 8461), read with bounds; nothing here asks anybody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

MAX_AGE_MOST = 31_557_600
"""Seconds (RFC 8461 section 3.2)."""

PATTERNS_MAX = 100
"""`mx` lines of a policy."""

_VERSION = re.compile(rb"v=STSv1[ \t]*;")
_IDENTIFIER = re.compile(rb"id=([A-Za-z0-9]{1,32})")
_EXTENSION = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]+")
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*)", re.DOTALL)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PATTERN = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_SECONDS = re.compile(r"[0-9]{1,10}")


class Mode(Enum):
    """How a policy is meant (RFC 8461 section 5)."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


class PolicyInvalid(Exception):
    """A policy that cannot be understood; its text says why, in words of ours."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A domain's policy: its servers' names or patterns of them, in lower case, and for how many seconds it holds."""

    mode: Mode
    max_age: int
    mx: tuple[str, ...] = ()

    def covers(self, host: str) -> bool:
        """Whether a server of this name is one of the domain's (RFC 8461 section 4.1): `*` stands for one label."""
        label, _, rest = host.lower().partition(".")
        return label not in ("", "*") and (host.lower() in self.mx or f"*.{rest}" in self.mx)

    @property
    def lines(self) -> tuple[str, ...]:
        """The policy as text, line by line, as reports tell it (RFC 8460 section 4.4)."""
        servers = (f"mx: {pattern}" for pattern in self.mx)
        return ("version: STSv1", f"mode: {self.mode.value}", *servers, f"max_age: {self.max_age}")


def read_identifier(texts: Sequence[bytes]) -> str | None:
    """The id in the TXT records of `_mta-sts.domain`; None where there is not just one that is of this version and well
    formed: then the domain has no policy (RFC 8461 section 3.1)."""
    ours = [text for text in texts if _VERSION.match(text)]
    if len(ours) != 1:
        return None
    fields = [field.strip(b" \t") for field in ours[0].split(b";")[1:]]
    if fields and not fields[-1]:
        fields.pop()
    found = [matched[1].decode("ascii") for field in fields if (matched := _IDENTIFIER.fullmatch(field))]
    if not found or not all(_EXTENSION.fullmatch(field) for field in fields):
        return None
    return found[0]


def read_policy(octets: bytes) -> Policy:
    """A policy file (RFC 8461 section 3.2). Fields that are not known are passed over; of those that may be given once
    the first one counts. Raises `PolicyInvalid`."""
    once, patterns = _fields(octets)
    if once.get("version") != "STSv1":
        raise PolicyInvalid("it is of no known version")
    try:
        mode = Mode(once.get("mode", ""))
    except ValueError:
        raise PolicyInvalid("it has no known mode") from None
    if not _SECONDS.fullmatch(once.get("max_age", "")):
        raise PolicyInvalid("it has no max_age")
    if not patterns and mode is not Mode.NONE:
        raise PolicyInvalid("it names no servers")
    return Policy(mode, min(int(once["max_age"]), MAX_AGE_MOST), tuple(dict.fromkeys(patterns)))


def _fields(octets: bytes) -> tuple[dict[str, str], list[str]]:
    """The fields that may be given once, and the `mx` patterns."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise PolicyInvalid("it is no text") from None
    once: dict[str, str] = {}
    patterns: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        name, value = _field(line)
        if name == "mx":
            patterns.append(_checked_pattern(value))
        elif name:
            once.setdefault(name, value)
        if len(patterns) > PATTERNS_MAX:
            raise PolicyInvalid("it names too many servers")
    return once, patterns


def _field(line: str) -> tuple[str, str]:
    """A line's field; of an empty one, nothing."""
    if not line.strip(" \t"):
        return "", ""
    matched = _FIELD.fullmatch(line)
    if matched is None:
        raise PolicyInvalid("a line of it is no field")
    return matched[1], matched[2].rstrip(" \t")


def _checked_pattern(value: str) -> str:
    if len(value) > 255 or not _PATTERN.fullmatch(value):
        raise PolicyInvalid("it names a server that can be none")
    return value.lower()

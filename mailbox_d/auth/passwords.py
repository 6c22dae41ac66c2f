"""Stored passwords as Dovecot's user files have them: `{ARGON2ID}…`, `{BLF-CRYPT}…`, `{SSHA512.HEX}…` and others.

A `StoredPassword` is checked when it is read, so that a hash that is malformed or too costly is a fault of the file
and never a surprise at login. Verifying and hashing burn a core for milliseconds: call them in a lane.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, field

import argon2.low_level

from mailbox_d.auth.schemes import SCHEMES, SCRAM, CostCeiling, PasswordFault
from mailbox_d.auth.scram_keys import is_invisible, keys_text, make_keys


@dataclass(frozen=True, slots=True)
class HashCost:
    """What making a hash costs: argon2's passes, memory in KiB, and lanes (RFC 9106 section 3.1)."""

    passes: int = 2
    memory: int = 19 * 1024
    lanes: int = 1


DEFAULT_COST = HashCost()
DEFAULT_CEILING = CostCeiling()

_STORED = re.compile(r"\{([A-Z0-9-]{1,32})(?:\.(B64|BASE64|HEX))?\}(.*)", re.DOTALL | re.IGNORECASE | re.ASCII)
_KNOWN = "one of " + ", ".join(f"{{{name}}}" for name in SCHEMES)


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """A password as a file holds it: the scheme's name, and the octets behind it (decoded where they were encoded)."""

    scheme: str
    value: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str, ceiling: CostCeiling = DEFAULT_CEILING) -> StoredPassword:
        """Read `{SCHEME}value` or `{SCHEME.ENCODING}value`, in Dovecot's terms. Raises `PasswordFault`."""
        if (match := _STORED.fullmatch(text)) is None:
            raise PasswordFault("has no scheme in front", _KNOWN)
        name, encoding, value = match[1].upper(), (match[2] or "").upper(), match[3]
        if (scheme := SCHEMES.get(name)) is None:
            raise PasswordFault("has a scheme that is not known", _closest(name))
        return cls(name, scheme.read(value, encoding, ceiling))

    @property
    def is_plain(self) -> bool:
        """Whether the password itself is stored, which costs nothing to compare with."""
        return self.scheme == "PLAIN"

    def verify(self, password: bytes) -> bool:
        """Whether this is the password. Blocks for as long as the scheme takes.

        Raises `AuthenticationUnavailable` where there is no memory for it.
        """
        if not password or b"\0" in password:
            return False
        return SCHEMES[self.scheme].verify(self.value, password)


ARGON2ID = "ARGON2ID"
NEW_SCHEMES = (ARGON2ID, SCRAM)
"""The schemes by which new passwords are stored, the usual one first."""


def hash_password(password: bytes, cost: HashCost = DEFAULT_COST, *, scheme: str = ARGON2ID) -> str:
    """A new stored password, `{ARGON2ID}…` at this cost or `{SCRAM-SHA-256}…`. Blocks. Raises `PasswordFault` for one
    that is invisible: by SCRAM each other one would be as good."""
    if is_invisible(password):
        raise PasswordFault("has nothing that can be seen", "letters, digits or signs")
    return f"{{{scheme}}}" + (keys_text(make_keys(password)) if scheme == SCRAM else _argon2id(password, cost))


def _argon2id(password: bytes, cost: HashCost) -> str:
    encoded = argon2.low_level.hash_secret(
        password,
        os.urandom(16),
        time_cost=cost.passes,
        memory_cost=cost.memory,
        parallelism=cost.lanes,
        hash_len=32,
        type=argon2.low_level.Type.ID,
    )
    return encoded.decode("ascii")


NOBODYS_PASSWORD = StoredPassword(
    "ARGON2ID",
    f"$argon2id$v=19$m={DEFAULT_COST.memory},t={DEFAULT_COST.passes},p={DEFAULT_COST.lanes}$".encode()
    + b"A" * 22  # a salt of 16 zeros
    + b"$"
    + b"A" * 43,  # a hash of 32 zeros, which no password is known to have
)
"""To hold a password against where there is no user, for the time that it takes."""


def _closest(name: str) -> str:
    """What to use instead of an unknown scheme, without repeating it: it may be half a password."""
    close = difflib.get_close_matches(name, SCHEMES, n=1)
    return f"{_KNOWN}; did you mean {{{close[0]}}}?" if close else _KNOWN

"""Mail addresses: the one place that parses, folds, splits and compares them.

An address is parsed once, where it enters, into an `EmailAddress`; check, delivery and log all use that value. The
local part is kept as it was written and compared folded (NFKC, case); the domain is kept as A-labels in lower case.
What cannot be printed, so that no reader can tell it from another address, stands in none.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

import idna

from mailbox_d.errors import AddressError

MAX_LOCAL_PART = 64
"""Octets of a local part (RFC 5321 section 4.5.3.1.1)."""

MAX_DOMAIN = 255
"""Octets of a domain (RFC 5321 section 4.5.3.1.2)."""

MAX_PATH = 254
"""Octets of a whole address: a path is 256 with its angle brackets (RFC 5321 section 4.5.3.1.3)."""

SUFFIX_DELIMITER = "+"

_DOT_STRING = re.compile(r"[^\x00-\x20()<>\[\]:;@\\,.\"\x7f-\x9f]+(?>(?:\.[^\x00-\x20()<>\[\]:;@\\,.\"\x7f-\x9f]+)*)")
_QUOTED_STRING = re.compile(r'"((?>(?:[^\x00-\x1f"\\\x7f-\x9f]|\\[\x20-\x7e])*))"')
_NOT_UTF_8 = re.compile("[\ud800-\udfff]")
"""What stands in text for octets that were no UTF-8 (PEP 383)."""
_ADDRESS_LITERAL = re.compile(r"\[[A-Za-z0-9:.\-]{1,253}\]")
_LDH_LABEL = re.compile(r"[a-z0-9_](?>(?:[a-z0-9_-]{0,61}[a-z0-9_])?)")


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """An address: the local part without quotes, the domain in lower case (A-labels, or an address literal).

    Two addresses are equal when their folded forms are.
    """

    local_part: str = field(compare=False)
    domain: str
    key: str = field(init=False, repr=False)
    """The folded local part, by which addresses are compared and found."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", fold(self.local_part))

    @classmethod
    def parse(cls, text: str) -> EmailAddress:
        """Read `local@domain` (RFC 5321 section 4.1.2 Mailbox, RFC 6531 section 3.3). Raises `AddressError`."""
        if _NOT_UTF_8.search(text):
            raise AddressError("The address is not UTF-8")
        local_part, rest = _split_local_part(text)
        if not local_part:
            raise AddressError("The local part is empty")
        if not local_part.isprintable():
            raise AddressError("The local part holds what cannot be printed")
        if not rest.startswith("@"):
            raise AddressError("An address is written local@domain")
        address = cls(local_part, canonical_domain(rest[1:]))
        if len(local_part.encode()) > MAX_LOCAL_PART or len(text.encode()) > MAX_PATH:
            raise AddressError("The address is too long")
        return address

    @classmethod
    def parse_as_spelt(cls, text: str) -> EmailAddress:
        """As `parse`, for who must not pass for somebody else: but for case, `text` is the address itself. Nothing in
        it is folded or quoted in vain, and an IDN is in one of its two forms. Raises `AddressError`."""
        address = cls.parse(text)
        local_part, _, domain = text.rpartition("@")
        folds_to_others = not unicodedata.is_normalized("NFKC", local_part) or (
            address.key.isascii() and not local_part.isascii()
        )
        if folds_to_others or local_part != str(address).rpartition("@")[0]:
            raise AddressError("The address is spelt otherwise")
        if not domain.isascii() and domain.lower() != idna.decode(address.domain):
            raise AddressError("The domain is spelt otherwise")
        return address

    @property
    def written(self) -> tuple[str, str]:
        """The local part as it was written, and the domain: by these other sites may tell their addresses apart."""
        return self.local_part, self.domain

    @property
    def folded(self) -> str:
        """The address as text that is the same however it was written; nothing to be read as an address again."""
        return f"{self.key}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """Whether the address can be said to a peer without SMTPUTF8 (RFC 6531)."""
        return self.local_part.isascii()

    def without_suffix(self) -> EmailAddress:
        """The address without what follows the first `+` of its local part; itself where there is none."""
        base, delimiter, _ = self.local_part.partition(SUFFIX_DELIMITER)
        return EmailAddress(base, self.domain) if delimiter and base else self

    def __str__(self) -> str:
        if _DOT_STRING.fullmatch(self.local_part):
            return f"{self.local_part}@{self.domain}"
        escaped = self.local_part.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"@{self.domain}'


def fold(local_part: str) -> str:
    """The form in which local parts are compared: compatibility-normalised and without case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", local_part).casefold())


def canonical_domain(text: str) -> str:
    """A domain in lower-case A-labels, or an address literal in lower case. Raises `AddressError`."""
    if _NOT_UTF_8.search(text):
        raise AddressError("The domain is not UTF-8")
    if len(text.encode()) > MAX_DOMAIN:
        raise AddressError("The domain is too long")
    if _ADDRESS_LITERAL.fullmatch(text):
        return text.lower()
    domain = text.lower() if text.isascii() else _to_a_labels(text)
    if not domain or len(domain) > MAX_DOMAIN or not all(map(_LDH_LABEL.fullmatch, domain.split("."))):
        raise AddressError("This is not a domain name")
    return domain


def _to_a_labels(text: str) -> str:
    try:
        return idna.encode(text, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise AddressError("This is not a domain name", cause=str(error)) from error


def _split_local_part(text: str) -> tuple[str, str]:
    if quoted := _QUOTED_STRING.match(text):
        return re.sub(r"\\(.)", r"\1", quoted[1]), text[quoted.end() :]
    if dotted := _DOT_STRING.match(text):
        return dotted[0], text[dotted.end() :]
    raise AddressError("An address is written local@domain")

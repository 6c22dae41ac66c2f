"""Senders of mail that is forwarded, rewritten so that SPF finds a domain of ours (Sender Rewriting Scheme).

    SRS0=hash=day=domain=local part@ours      for `local part@domain`
    SRS1=hash=domain==…@ours                  for `SRS0=…@domain`, which the server of `domain` has rewritten before us

A report that comes back to such an address goes on to the one that it was made of. The hash keeps strangers from making
addresses that lead where they like; it and all else is compared without regard to case, for others change it.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32encode
from collections.abc import Callable, Sequence

from mailbox_d.address import EmailAddress, canonical_domain, fold
from mailbox_d.errors import AddressError

VALID_DAYS = 21
"""How long an address leads back: longer than any server tries to deliver, shorter than a spammer's memory."""

HASH_LENGTH = 6
"""Characters of a hash, 30 bits. It can only be guessed by asking us, slower with each wrong answer, for one address
within its days, and gains a mail with the null sender. Each character more keeps a longer sender from fitting."""

_DAY = 86400
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CYCLE = len(_ALPHABET) ** 2
"""Days after which a stamp of two characters comes again."""

_FLAGS = re.IGNORECASE | re.ASCII | re.DOTALL
_OURS_0 = re.compile(rf"SRS0=([A-Z2-7]{{{HASH_LENGTH}}})=(([A-Z2-7]{{2}})=([^=]+)=(.+))", _FLAGS)
_OURS_1 = re.compile(rf"SRS1=([A-Z2-7]{{{HASH_LENGTH}}})=(([^=]+)=([-+=].+))", _FLAGS)
_THEIRS_0 = re.compile(r"SRS0([-+=].+)", _FLAGS)
_THEIRS_1 = re.compile(r"SRS1[-+=][^=]*=([^=]+)=([-+=].+)", _FLAGS)
_REWRITTEN = re.compile(r"SRS[01][-+=]", _FLAGS)


def is_rewritten(address: EmailAddress) -> bool:
    """Whether an address has the form, whoever made it."""
    return _REWRITTEN.match(address.local_part) is not None


class SenderRewriting:
    """Rewrites senders, and finds them again."""

    def __init__(self, keys: Sequence[bytes], clock: Callable[[], float]) -> None:
        """`keys`: the first one signs, each one verifies; `clock` gives seconds since 1970."""
        if not keys:
            raise ValueError("there is no key to sign with")
        self._keys = tuple(keys)
        self._clock = clock

    def rewritten(self, sender: EmailAddress, domain: str) -> EmailAddress | None:
        """The sender as an address of `domain`, one of ours; None where it would be longer than an address may be."""
        if theirs := _THEIRS_0.fullmatch(sender.local_part):
            return self._signed("SRS1", f"{sender.domain}={theirs[1]}", domain)
        if theirs := _THEIRS_1.fullmatch(sender.local_part):
            return self._signed("SRS1", f"{theirs[1]}={theirs[2]}", domain)
        return self._signed("SRS0", f"{_stamp(self._today())}={sender.domain}={sender.local_part}", domain)

    def original(self, address: EmailAddress) -> EmailAddress | None:
        """The sender that an address of ours was made of; None where we did not make it, or too long ago."""
        if ours := _OURS_0.fullmatch(address.local_part):
            known = self._is_valid(ours[1], "SRS0", ours[2], address.domain) and self._is_recent(ours[3])
            return _address(ours[5], ours[4]) if known else None
        if ours := _OURS_1.fullmatch(address.local_part):
            known = self._is_valid(ours[1], "SRS1", ours[2], address.domain)
            return _address(f"SRS0{ours[4]}", ours[3]) if known else None
        return None

    def _signed(self, form: str, content: str, domain: str) -> EmailAddress | None:
        return _address(f"{form}={_hash(self._keys[0], form, content, domain)}={content}", domain)

    def _is_valid(self, given: str, form: str, content: str, domain: str) -> bool:
        said = given.upper().encode()
        valid = [hmac.compare_digest(said, _hash(key, form, content, domain).encode()) for key in self._keys]
        return any(valid)

    def _is_recent(self, stamp: str) -> bool:
        high, low = map(_ALPHABET.index, stamp.upper())
        return (self._today() - high * len(_ALPHABET) - low) % _CYCLE <= VALID_DAYS

    def _today(self) -> int:
        return int(self._clock()) // _DAY


def _stamp(day: int) -> str:
    high, low = divmod(day % _CYCLE, len(_ALPHABET))
    return _ALPHABET[high] + _ALPHABET[low]


def _hash(key: bytes, form: str, content: str, domain: str) -> str:
    """Of all that the address says, its own domain too."""
    text = "\0".join((form, domain, fold(content)))
    return b32encode(hmac.digest(key, text.encode(), "sha256"))[:HASH_LENGTH].decode()


def _address(local_part: str, domain: str) -> EmailAddress | None:
    """The address, where it is one: nothing too long, and no domain that is none."""
    try:
        return EmailAddress.parse(str(EmailAddress(local_part, canonical_domain(domain))))
    except AddressError:
        return None

"""The password schemes of Dovecot's user files: how their values are read, and how a password is held against them.

Reading checks form and cost without hashing anything. A new scheme is a line in `SCHEMES` and two small functions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import argon2.exceptions
import argon2.low_level
import bcrypt

from mailbox_d.auth import sha_crypt
from mailbox_d.auth.scram_keys import read_keys
from mailbox_d.auth.scram_keys import verify as verify_keys
from mailbox_d.config.faults import Refusal
from mailbox_d.errors import AuthenticationUnavailable


class PasswordFault(Refusal):
    """A stored password that cannot be used; says what is wrong and what was expected, but never what was stored."""


@dataclass(frozen=True, slots=True)
class CostCeiling:
    """What verifying a stored password may cost; a costlier one is a fault of the file that holds it."""

    argon2_passes: int = 64
    argon2_memory: int = 1024 * 1024
    """In KiB."""
    argon2_lanes: int = 16
    bcrypt_cost: int = 15
    """The binary logarithm of the number of rounds."""
    sha_crypt_rounds: int = 1_000_000
    scram_iterations: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one scheme's values are read (value, encoding, ceiling → octets) and how a password is held against them."""

    read: Callable[[str, str, CostCeiling], bytes]
    verify: Callable[[bytes, bytes], bool]


_ARGON2 = re.compile(
    r"\$argon2(?:id|i)\$v=19\$m=([1-9]\d{0,8}),t=([1-9]\d{0,8}),p=([1-9]\d{0,8})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,172})",
    re.ASCII,
)
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
_SHA512_CRYPT = re.compile(r"\$6\$(?:rounds=([1-9]\d{0,8})\$)?[./A-Za-z0-9]{0,16}\$[./A-Za-z0-9]{86}", re.ASCII)
_SHA256_CRYPT = re.compile(r"\$5\$(?:rounds=([1-9]\d{0,8})\$)?[./A-Za-z0-9]{0,16}\$[./A-Za-z0-9]{43}", re.ASCII)

_MALFORMED = "is not what its scheme makes"
_TOO_COSTLY = "would take too long to verify"
_MIN_SHA_CRYPT_ROUNDS = 1000
_MIN_BCRYPT_COST = 4
_BCRYPT_OCTETS = 72
"""bcrypt looks no further; crypt(3), by which such hashes were made, cuts silently."""


def _encoded(value: str, encoding: str, default: str) -> bytes:
    """The octets of a value in Dovecot's `.B64` or `.HEX`, or in the scheme's own default."""
    try:
        match encoding or default:
            case "HEX":
                return bytes.fromhex(value) if value.isalnum() else _malformed("hexadecimal digits")
            case "B64" | "BASE64":
                return base64.b64decode(value, validate=True)
            case _:
                return value.encode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise PasswordFault(_MALFORMED, "base64 or hexadecimal digits, as the scheme's name says") from error


def _malformed(expected: str) -> bytes:
    raise PasswordFault(_MALFORMED, expected)


def _crypt_form(value: str, encoding: str, form: re.Pattern[str], kind: str) -> re.Match[str]:
    text = _encoded(value, encoding, "").decode("utf-8", "replace")
    if (match := form.fullmatch(text)) is None:
        raise PasswordFault(_MALFORMED, kind)
    return match


def _read_argon2(kind: str, value: str, encoding: str, ceiling: CostCeiling) -> bytes:
    match = _crypt_form(value, encoding, _ARGON2, f"${kind}$v=19$m=…,t=…,p=…$salt$hash")
    if not match[0].startswith(f"${kind}$"):
        raise PasswordFault(_MALFORMED, f"${kind}$…")
    memory, passes, lanes = (int(match[group]) for group in (1, 2, 3))
    if memory > ceiling.argon2_memory or passes > ceiling.argon2_passes or lanes > ceiling.argon2_lanes:
        raise PasswordFault(
            _TOO_COSTLY,
            f"at most m={ceiling.argon2_memory},t={ceiling.argon2_passes},p={ceiling.argon2_lanes}",
        )
    if memory < 8 * lanes:  # RFC 9106 section 3.1
        raise PasswordFault(_MALFORMED, "at least m=8 for each of p")
    if not all(map(_is_unpadded_base64, match.group(4, 5))):
        raise PasswordFault(_MALFORMED, "salt and hash in base64 without padding")
    return match[0].encode("ascii")


def argon2_work(value: bytes) -> int:
    """What verifying a stored value costs: its passes times its memory in KiB. Raises `ValueError`."""
    if (match := _ARGON2.fullmatch(value.decode("ascii"))) is None:
        raise ValueError("not a value of Argon2")
    return int(match[1]) * int(match[2])


def _is_unpadded_base64(text: str) -> bool:
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return False
    return base64.b64encode(octets).decode("ascii").rstrip("=") == text


def _verify_argon2(kind: argon2.low_level.Type, value: bytes, password: bytes) -> bool:
    try:
        return argon2.low_level.verify_secret(value, password, kind)
    except argon2.exceptions.VerifyMismatchError:
        return False
    except argon2.exceptions.Argon2Error as error:  # the value was found good: what is short now is memory
        raise AuthenticationUnavailable("Passwords cannot be verified now", cause=str(error)) from error


def _read_bcrypt(value: str, encoding: str, ceiling: CostCeiling) -> bytes:
    match = _crypt_form(value, encoding, _BCRYPT, "$2y$, two digits, $, 53 characters")
    if int(match[1]) > ceiling.bcrypt_cost:
        raise PasswordFault(_TOO_COSTLY, f"a cost of at most {ceiling.bcrypt_cost}")
    if int(match[1]) < _MIN_BCRYPT_COST:
        raise PasswordFault(_MALFORMED, f"a cost of at least {_MIN_BCRYPT_COST:02}")
    return match[0].encode("ascii")


def _verify_bcrypt(value: bytes, password: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:_BCRYPT_OCTETS], value)
    except ValueError:
        return False


def _read_sha_crypt(form: re.Pattern[str], kind: str, value: str, encoding: str, ceiling: CostCeiling) -> bytes:
    match = _crypt_form(value, encoding, form, f"{kind}salt$hash")
    rounds = int(match[1]) if match[1] else _MIN_SHA_CRYPT_ROUNDS
    if rounds > ceiling.sha_crypt_rounds:
        raise PasswordFault(_TOO_COSTLY, f"at most {ceiling.sha_crypt_rounds} rounds")
    if rounds < _MIN_SHA_CRYPT_ROUNDS:
        raise PasswordFault(_MALFORMED, f"at least {_MIN_SHA_CRYPT_ROUNDS} rounds")
    return match[0].encode("ascii")


def _read_salted(algorithm: str, value: str, encoding: str, ceiling: CostCeiling) -> bytes:
    octets = _encoded(value, encoding, "B64")
    if len(octets) <= hashlib.new(algorithm).digest_size:
        raise PasswordFault(_MALFORMED, "the digest with its salt behind it")
    return octets


def _verify_salted(algorithm: str, value: bytes, password: bytes) -> bool:
    size = hashlib.new(algorithm).digest_size
    return hmac.compare_digest(hashlib.new(algorithm, password + value[size:]).digest(), value[:size])


def _read_scram(value: str, encoding: str, ceiling: CostCeiling) -> bytes:
    octets = _encoded(value, encoding, "")
    try:
        keys = read_keys(octets)
    except ValueError as error:
        raise PasswordFault(_MALFORMED, "iterations,salt,stored key,server key") from error
    if keys.iterations > ceiling.scram_iterations:
        raise PasswordFault(_TOO_COSTLY, f"at most {ceiling.scram_iterations} iterations")
    return octets


def _verify_scram(value: bytes, password: bytes) -> bool:
    return verify_keys(read_keys(value), password)


def _read_plain(value: str, encoding: str, ceiling: CostCeiling) -> bytes:
    octets = _encoded(value, encoding, "")
    if not octets or b"\0" in octets:
        raise PasswordFault("is empty or contains NUL", "a password")
    return octets


SCRAM = "SCRAM-SHA-256"
"""The scheme that the mechanism of that name asks for."""

SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "ARGON2ID": Scheme(partial(_read_argon2, "argon2id"), partial(_verify_argon2, argon2.low_level.Type.ID)),
        "ARGON2I": Scheme(partial(_read_argon2, "argon2i"), partial(_verify_argon2, argon2.low_level.Type.I)),
        SCRAM: Scheme(_read_scram, _verify_scram),
        "BLF-CRYPT": Scheme(_read_bcrypt, _verify_bcrypt),
        "SHA512-CRYPT": Scheme(partial(_read_sha_crypt, _SHA512_CRYPT, "$6$"), sha_crypt.verify),
        "SHA256-CRYPT": Scheme(partial(_read_sha_crypt, _SHA256_CRYPT, "$5$"), sha_crypt.verify),
        "SSHA512": Scheme(partial(_read_salted, "sha512"), partial(_verify_salted, "sha512")),
        "SSHA256": Scheme(partial(_read_salted, "sha256"), partial(_verify_salted, "sha256")),
        "SSHA": Scheme(partial(_read_salted, "sha1"), partial(_verify_salted, "sha1")),
        "PLAIN": Scheme(_read_plain, hmac.compare_digest),
    }
)
"""Every scheme by its name, the best first."""

"""The keys of SCRAM-SHA-256 as a user's file holds them, as they are made, and as they are made up.

`{SCRAM-SHA-256}4096,salt,stored key,server key`, the last three in base64: Dovecot's form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re

from passlib.utils import saslprep

from mailbox_d.wire.sasl.scram import ScramKeys

ITERATIONS = 4096
"""RFC 7677 section 4 asks for at least as many."""

_SALT_OCTETS = 16
_DIGEST_OCTETS = 32
_FORM = re.compile(rb"([1-9]\d{3,8}),([A-Za-z0-9+/=]{1,344}),([A-Za-z0-9+/=]{44}),([A-Za-z0-9+/=]{44})")


def read_keys(value: bytes) -> ScramKeys:
    """Keys as they are stored. Raises `ValueError` where they are not."""
    match = _FORM.fullmatch(value)
    if match is None:
        raise ValueError("not four parts, or fewer than 1000 iterations")
    try:
        salt, stored, server = (base64.b64decode(part, validate=True) for part in match.group(2, 3, 4))
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    if not salt or len(stored) != _DIGEST_OCTETS or len(server) != _DIGEST_OCTETS:
        raise ValueError("no salt, or keys of a wrong length")
    return ScramKeys(int(match[1]), salt, stored, server)


def keys_text(keys: ScramKeys) -> str:
    """Keys as they are stored."""
    parts = (base64.b64encode(part).decode("ascii") for part in (keys.salt, keys.stored_key, keys.server_key))
    return ",".join((str(keys.iterations), *parts))


def make_keys(password: bytes, salt: bytes = b"", iterations: int = ITERATIONS) -> ScramKeys:
    """Keys of a password (RFC 5802 section 3), with a random salt where none is given. Blocks for milliseconds.

    Those of an invisible password are good for each other one (`is_invisible`): they are no keys to let anybody in by.
    """
    salt = salt or os.urandom(_SALT_OCTETS)
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return ScramKeys(
        iterations, salt, hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256")
    )


def verify(keys: ScramKeys, password: bytes) -> bool:
    """Whether the keys are of this password, and it is one. Blocks as `make_keys` does."""
    made = make_keys(password, keys.salt, keys.iterations)
    return hmac.compare_digest(made.stored_key, keys.stored_key) and not is_invisible(password)


def made_up_keys(secret: bytes, name: str, iterations: int = ITERATIONS) -> ScramKeys:
    """Keys of no password; under one `secret` always the same salt for one name."""
    salt = hmac.digest(secret, name.encode("utf-8"), "sha256")[:_SALT_OCTETS]
    return ScramKeys(iterations, salt, os.urandom(_DIGEST_OCTETS), os.urandom(_DIGEST_OCTETS))


def is_invisible(password: bytes) -> bool:
    """Whether nothing is left of a password where clients prepare it: soft hyphens, joiners and their like alone."""
    return not prepared(password)


def prepared(password: bytes) -> bytes:
    """A password as clients prepare it (SASLprep, RFC 4013); as it stands, where it cannot be prepared."""
    try:
        return bytes(saslprep(password.decode("utf-8")).encode("utf-8"))
    except (UnicodeDecodeError, ValueError):
        return password

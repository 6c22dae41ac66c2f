"""SHA-512 and SHA-256 as crypt(3) makes hashes of them, in the system's own library: other threads work meanwhile.

Python's own `crypt`, gone with 3.13, holds the interpreter while it hashes. So does passlib, which hashes in
Python, and takes over where there is no such library.
"""

from __future__ import annotations

import ctypes
import hmac
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TypeAlias

from passlib.hash import sha256_crypt, sha512_crypt

MOST_OCTETS = 256
"""Of a password: what hashing costs grows with it. Nobody types a longer one, and libcrypt takes no more than 511."""

Crypt: TypeAlias = Callable[[bytes, bytes], bytes | None]
"""A password and a stored hash, whose method, rounds and salt are to be used → a hash like it."""

_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")
"""As Debian and as Fedora call it; glibc's own was the first before."""

_ROOM = 1 << 18
"""Octets for `struct crypt_data`: glibc's has 131,232, libxcrypt's 32,768. Both want zeros at first."""

_SAMPLES = (
    b"$5$rounds=1000$salt$p.wiWs2zrZ7irikO2AL64QDIJo00A3KDq2xWHpLJGgB",
    b"$6$rounds=1000$salt$O0nhCLTaysO7YRx7RhswA9LUudDbe8n/29Fg0mCv48MlTSygeX82/gn5a5m7.zIERei.MTm0LX6AbQbQLYGS5.",
)
"""Of `password`."""


def verify(value: bytes, password: bytes) -> bool:
    """Whether `$5$…` or `$6$…` is the hash of a password without NUL. Blocks; a long one is refused unhashed."""
    if len(password) > MOST_OCTETS:
        return False
    crypt = system_crypt()
    made = crypt(password, value) if crypt is not None else None
    if made is not None:
        return hmac.compare_digest(made, value)
    return bool((sha512_crypt if value.startswith(b"$6$") else sha256_crypt).verify(password, value))


@cache
def system_crypt() -> Crypt | None:
    """What the system's library has; None where there is none, or it does not make these hashes."""
    for crypt in _found():
        if all(crypt(b"password", sample) == sample for sample in _SAMPLES):
            return crypt
    return None


def _found() -> Iterator[Crypt]:
    for name in _LIBRARIES:
        try:
            crypt_r = ctypes.CDLL(name).crypt_r
        except (OSError, AttributeError):
            continue
        crypt_r.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
        crypt_r.restype = ctypes.c_char_p
        yield partial(_hash, crypt_r)


def _hash(crypt_r: Callable[..., bytes | None], password: bytes, setting: bytes) -> bytes | None:
    made = crypt_r(password, setting, ctypes.create_string_buffer(_ROOM))
    return made if made is not None and made.startswith(b"$") else None  # what failed begins with "*"

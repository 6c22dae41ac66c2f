"""A folder of keys for tests, and what DNS would say of them."""

from __future__ import annotations

import functools
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailbox_d.relay.signing.dkim_keys import SELECTOR_FILE, PrivateKey, selectors


@functools.cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ed25519_key(number: int = 0) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def write_key(path: Path, key: PrivateKey | ec.EllipticCurvePrivateKey, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(mode)


def make_domain(keys: Path, domain: str = "example.org", selector: str = "s1", *, use: bool = True) -> None:
    write_key(keys / domain / f"{selector}.rsa.pem", rsa_key())
    write_key(keys / domain / f"{selector}.ed25519.pem", ed25519_key())
    if use:
        (keys / domain / SELECTOR_FILE).write_text(selector + "\n")


def published(keys: Path) -> dict[str, str]:
    """TXT records by name."""
    return {key.name: key.record for selector in selectors(keys) for key in selector.keys}

"""Makes keys for signatures and puts a selector in use; what is written is durable, and no key is overwritten."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailbox_d.relay.signing.dkim_keys import ED25519_FILE, RSA_FILE, SELECTOR_FILE, PrivateKey, Selector, read_selector
from mailbox_d.store.files import FileSystem, forget, make_directories, write_new

RSA_BITS = 2048
"""RFC 8301 section 3.2; a longer key fits no UDP answer of DNS, and signs at a third of the speed or less."""


class SelectorTaken(Exception):
    """There are keys of this selector already."""


class NoKeys(Exception):
    """There are no keys of this selector that could sign; the text says why."""


def make_keys(keys: Path, domain: str, selector: str) -> Selector:
    """Make a pair for each algorithm. Raises `SelectorTaken`, `OSError`."""
    files, folder = FileSystem(), os.fsencode(keys / domain)
    make_directories(files, folder)
    made: dict[str, PrivateKey] = {
        RSA_FILE: rsa.generate_private_key(65537, RSA_BITS),
        ED25519_FILE: Ed25519PrivateKey.generate(),
    }
    if any((keys / domain / f"{selector}{suffix}").exists() for suffix in made):
        raise SelectorTaken
    for suffix, key in made.items():
        try:
            write_new(files, folder + b"/" + os.fsencode(selector + suffix), _pem(key))
        except FileExistsError:
            raise SelectorTaken from None
    files.fsync_directory(folder)
    return read_selector(keys / domain, selector)


def use_selector(keys: Path, domain: str, selector: str) -> Selector:
    """Let a selector's keys sign from the next message on. Raises `NoKeys`, `OSError`."""
    found = read_selector(keys / domain, selector)
    if not found.keys or found.unread:
        raise NoKeys("; ".join(found.warnings))
    files, folder = FileSystem(), os.fsencode(keys / domain)
    fresh = folder + b"/.%s.%d" % (SELECTOR_FILE.encode(), os.getpid())
    forget(files, fresh)
    write_new(files, fresh, f"{selector}\n".encode())
    files.rename(fresh, folder + b"/" + SELECTOR_FILE.encode())
    files.fsync_directory(folder)
    return read_selector(keys / domain, selector)


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

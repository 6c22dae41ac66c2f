"""The keys for signatures, on disk: `<keys>/<domain>/<selector>.rsa.pem` and `<selector>.ed25519.pem`.

A domain has keys of several selectors, so that one can be published before it is used and after it was. The file
`selector` in the domain's folder holds the one in use; without it nothing is signed. DNS knows the RSA key by the
selector itself, and the Ed25519 key by the selector with `-ed25519` behind it: a name in DNS is for one key.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from twisted.logger import Logger

from mailbox_d.config.certificates import LARGEST_PEM
from mailbox_d.config.faults import Refusal
from mailbox_d.config.file_identity import FileIdentity, identify
from mailbox_d.config.files import read_regular_file

SELECTOR_FILE: Final = "selector"
ED25519_SUFFIX: Final = "-ed25519"
RSA_FILE, ED25519_FILE = ".rsa.pem", ".ed25519.pem"
LEAST_RSA_BITS: Final = 1024
"""RFC 8301 section 3.2; verifiers take no shorter key."""

SELECTOR: Final = re.compile(r"(?=.{1,54}\Z)(?!.*\.\.)[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?")
"""Labels of DNS (RFC 6376 section 3.1), with room for `-ed25519`."""
_DOMAIN: Final = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,254}")

PrivateKey: TypeAlias = RSAPrivateKey | Ed25519PrivateKey


class KeyRefused(Exception):
    """A file that holds no key to sign with; the text says why, with its path."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the names by which verifiers find the public one."""

    domain: str
    selector: str
    private: PrivateKey

    @property
    def algorithm(self) -> str:
        """As in `a=` (RFC 6376 section 3.3, RFC 8463 section 3)."""
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    @property
    def name(self) -> str:
        """Where DNS has the public key."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The public key as a TXT record (RFC 6376 section 3.6.1, RFC 8463 section 4)."""
        public = self.private.public_key()
        if isinstance(self.private, RSAPrivateKey):
            octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return f"v=DKIM1; k=rsa; p={base64.b64encode(octets).decode()}"
        octets = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(octets).decode()}"

    def sign(self, octets: bytes) -> bytes:
        """The signature over octets; Ed25519 signs their hash (RFC 8463 section 3)."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(octets, padding.PKCS1v15(), hashes.SHA256())
        return self.private.sign(hashlib.sha256(octets).digest())


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector of a domain: its keys, whether they sign, and what an operator should hear of their files."""

    domain: str
    name: str
    keys: tuple[SigningKey, ...]
    in_use: bool
    warnings: tuple[str, ...] = ()
    unread: bool = False
    """Whether a key is there that could not be read."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The keys that were read while the files were these."""

    identities: tuple[FileIdentity | None, ...]
    keys: tuple[SigningKey, ...]


class KeyFolder:
    """The keys of all domains, read again when their files change. Its methods block, and may be called by threads."""

    _log = Logger()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, _Known] = {}
        self._told: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def of_domain(self, domain: str) -> tuple[SigningKey, ...]:
        """The keys in use for exactly this domain; what is wrong with their files is logged once for each change."""
        if not _DOMAIN.fullmatch(domain):
            return ()
        try:
            name = selector_in_use(self.path / domain)
        except KeyRefused as error:
            self._tell(domain, (str(error),))
            return ()
        if name is None:
            return ()
        files = _files(self.path / domain, name)
        identities = (identify(self.path / domain / SELECTOR_FILE), *map(identify, files))
        with self._lock:
            known = self._known.get(domain)
            if known is not None and known.identities == identities:
                return known.keys
            selector = read_selector(self.path / domain, name)
            self._tell(domain, selector.warnings)
            if not selector.unread:  # what could not be read may be readable at the next look
                self._known[domain] = _Known(identities, selector.keys)
            return selector.keys

    def _tell(self, domain: str, warnings: tuple[str, ...]) -> None:
        if self._told.get(domain, ()) == warnings:
            return
        self._told[domain] = warnings
        for warning in warnings:
            self._log.warn("Signatures of {domain}: {warning}", domain=domain, warning=warning)


def selectors(folder: Path) -> tuple[Selector, ...]:
    """All selectors of all domains, in their order. Blocks. Raises `OSError`."""
    if not folder.is_dir():
        return ()
    domains = sorted(path for path in folder.iterdir() if path.is_dir() and _DOMAIN.fullmatch(path.name))
    return tuple(read_selector(path, name) for path in domains for name in _names(path))


def read_selector(folder: Path, name: str) -> Selector:
    """A selector in a domain's folder, with those of its keys that can be read. Blocks."""
    keys: list[SigningKey] = []
    warnings: list[str] = []
    unread = False
    for path, suffix in zip(_files(folder, name), ("", ED25519_SUFFIX), strict=True):
        if not _is_there(path):
            continue
        try:
            keys.append(SigningKey(folder.name, name + suffix, read_key(path)))
        except KeyRefused as error:
            unread = True
            warnings.append(str(error))
        if _is_open_to_others(path):
            warnings.append(f"{path} can be read by others than its owner: chmod 600")
    if not keys:
        warnings.append(f"{folder} has no key of the selector {name}")
    return Selector(folder.name, name, tuple(keys), _is_in_use(folder, name), tuple(warnings), unread)


def read_key(path: Path) -> PrivateKey:
    """The private key of a file. Blocks. Raises `KeyRefused`."""
    try:
        key = load_pem_private_key(read_regular_file(path, LARGEST_PEM), None)
    except Refusal as refusal:
        raise KeyRefused(f"{path}: {refusal.problem}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRefused(f"{path} holds no private key in PEM without a password") from None
    if isinstance(key, Ed25519PrivateKey) and path.name.endswith(ED25519_FILE):
        return key
    if not isinstance(key, RSAPrivateKey) or not path.name.endswith(RSA_FILE):
        raise KeyRefused(f"{path} holds a key of another kind than its name says")
    if key.key_size < LEAST_RSA_BITS:
        raise KeyRefused(f"{path} holds a key of {key.key_size} bits, which nobody takes")
    return key


def selector_in_use(folder: Path) -> str | None:
    """What the file `selector` of a domain's folder says; None where there is none. Blocks. Raises `KeyRefused`."""
    path = folder / SELECTOR_FILE
    if not _is_there(path):
        return None
    try:
        name = read_regular_file(path, 256).decode("ascii", "replace").strip()
    except Refusal as refusal:
        raise KeyRefused(f"{path}: {refusal.problem}") from None
    if not SELECTOR.fullmatch(name):
        raise KeyRefused(f"{path} holds no selector")
    return name


def _names(folder: Path) -> Sequence[str]:
    found = {
        path.name.removesuffix(suffix)
        for path in folder.iterdir()
        for suffix in (RSA_FILE, ED25519_FILE)
        if path.name.endswith(suffix)
    }
    return sorted(name for name in found if SELECTOR.fullmatch(name))


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}{RSA_FILE}", folder / f"{name}{ED25519_FILE}"


def _is_in_use(folder: Path, name: str) -> bool:
    try:
        return selector_in_use(folder) == name
    except KeyRefused:
        return False


def _is_there(path: Path) -> bool:
    """Whether there is something at the path, though it may not be for us to read."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _is_open_to_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False

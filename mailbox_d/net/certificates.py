"""The certificates of a site: each with its key, found by the names it is for, read again when its files change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.logger import Logger

from mailbox_d.config.certificates import (
    LARGEST_PEM,
    Certificate,
    PairRefused,
    certbot_pairs,
    inspect_pair,
    revocation_warnings,
)
from mailbox_d.config.client_certificates import ClientCertificates
from mailbox_d.config.faults import ConfigurationError, Fault
from mailbox_d.config.file_identity import FileIdentity, identify
from mailbox_d.config.files import read_regular_file, readable_by_everyone
from mailbox_d.config.model import BY_CERTIFICATE, Configuration
from mailbox_d.net.client_authorities import AuthorityFiles, ClientAuthorities
from mailbox_d.net.tls import ALPN_PROTOCOLS, LOGIN_PROTOCOLS, ServerTls, server_context

LONGEST_NAME = 255
"""Octets of a name that SNI can ask for (RFC 6066 section 3)."""

_CLIENTS = "clients"
"""Under what their authorities' files' faults are kept, beside those of pairs under the certificate's path."""

Identities: TypeAlias = tuple[FileIdentity | None, FileIdentity | None]
Pair: TypeAlias = tuple[Sequence[x509.Certificate], PrivateKeyTypes]


@dataclass(frozen=True, slots=True)
class PairFiles:
    """A certificate's file, its key's file, and the names to serve it for besides those that it says itself."""

    certificate: Path
    key: Path
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateReport:
    """What to tell an operator of a certificate in use: for which names, by whom, until when (UTC), what to heed."""

    files: PairFiles
    names: tuple[str, ...]
    issuer: str
    expires: datetime
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A pair in use."""

    files: PairFiles
    identities: Identities
    certificate: Certificate
    pair: Pair = field(repr=False)
    context: SSL.Context
    clients: ClientAuthorities | None
    """Who vouches for clients in this context."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.lower() for name in (*self.files.names, *self.certificate.names)))


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What is served at one moment; replaced as a whole, so that a handshake never sees half a change."""

    loaded: tuple[_Loaded, ...] = ()
    by_name: Mapping[str, SSL.Context] = field(default_factory=dict)


def declared_clients(configuration: Configuration) -> ClientCertificates | None:
    """Whose certificates log clients in; None where clients are not asked for any."""
    login = configuration.login
    return login.client_certificates if BY_CERTIFICATE in login.mechanisms else None


def declared_pairs(configuration: Configuration) -> tuple[PairFiles, ...]:
    """The pairs that a configuration names: those of `tls`, the default first, then those of single domains."""
    general = (PairFiles(pair.certificate, pair.key) for pair in configuration.tls.certificates)
    domains = configuration.domains.items()
    own = (PairFiles(domain.tls.certificate, domain.tls.key, (name,)) for name, domain in domains if domain.tls)
    return (*general, *own)


class Certificates:
    """The pairs that were declared, and all pairs of a folder in certbot's layout; the first of all is the default.

    Where several are for one name, one declared for that name wins, then the first declared, then the one of the
    folder's that expires last. With `clients`, those who log in are asked for a certificate of theirs. Making the
    object and `refresh` block; the rest is made for handshakes. `now` gives the time in UTC. Raises
    `ConfigurationError` if a declared pair or `clients` cannot be used; a broken pair in the folder is left out.
    """

    _log = Logger()

    def __init__(
        self,
        pairs: Sequence[PairFiles],
        directory: Path | None = None,
        *,
        clients: ClientCertificates | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clients = AuthorityFiles(clients) if clients is not None else None
        self._pairs = tuple(pairs)
        self._directory = directory
        self._now = now
        self._shelf = _Shelf()
        self._told: dict[Path | str, str] = {}
        self._warned: tuple[str, ...] = ()
        self._refreshing = threading.Lock()
        faults: list[Fault] = []
        for files in self._pairs:
            try:
                self._load(files)
            except ConfigurationError as error:
                faults.extend(error.faults)
        if faults:
            raise ConfigurationError(faults)
        self.refresh()

    def refresh(self) -> None:
        """Read what changed; what is broken or gone stays as it was, each fault logged once. Blocks."""
        with self._refreshing:
            self._refresh_clients()
            known = {loaded.files: loaded for loaded in self._shelf.loaded}
            renewed = (self._renewed(files, known.get(files)) for files in self._files())
            loaded = tuple(pair for pair in renewed if pair is not None)
            if loaded:
                self._shelf = _Shelf(loaded, dict(self._names(loaded)))

    def choose(self, name: bytes | None) -> SSL.Context:
        """The context for a name asked for by SNI; the default for none, and for a name that no certificate is for."""
        shelf = self._shelf
        return (_found(shelf.by_name, name) if name else None) or shelf.loaded[0].context

    def context(self, protocol: str) -> ServerTls | None:
        """What makes the connections of a protocol (a key of `ALPN_PROTOCOLS`); None while there is no certificate."""
        if not self._shelf.loaded:
            return None
        asks = self._clients is not None and protocol in LOGIN_PROTOCOLS
        return ServerTls(self.choose, ALPN_PROTOCOLS.get(protocol, ()), asks=asks)

    def describe(self) -> tuple[CertificateReport, ...]:
        """What is in use, the default first."""
        return tuple(self._report(loaded) for loaded in self._shelf.loaded)

    def _files(self) -> Iterator[PairFiles]:
        yield from self._pairs
        if self._directory is None:
            return
        try:
            found = [PairFiles(certificate, key) for certificate, key in certbot_pairs(self._directory)]
        except OSError as error:
            self._tell(self._directory, f"{self._directory}: {error.strerror}")
            found = [loaded.files for loaded in self._shelf.loaded]
        else:
            self._told.pop(self._directory, None)
        yield from (files for files in found if files not in self._pairs)

    def _renewed(self, files: PairFiles, old: _Loaded | None) -> _Loaded | None:
        """The pair as its files are now, or as it was where they did not change or cannot be used."""
        if old is not None and old.clients is not self._vouching:  # what was revoked is, whatever became of the pair
            context = server_context(*old.pair, self.choose, clients=self._vouching)
            old = replace(old, context=context, clients=self._vouching)
        if old is not None and _identities(files) == old.identities:
            self._told.pop(files.certificate, None)
            return old
        try:
            loaded = self._load(files)
        except ConfigurationError as error:
            self._tell(files.certificate, "; ".join(map(str, error.faults)))
            return old
        self._told.pop(files.certificate, None)
        if old is not None:
            self._log.info("The certificate {certificate} was read again", certificate=str(files.certificate))
        return loaded

    def _load(self, files: PairFiles) -> _Loaded:
        identities = _identities(files)
        try:
            certificate = inspect_pair(files.certificate, files.key)
            pair, clients = _read(files), self._vouching
            context = server_context(*pair, self.choose, clients=clients)
        except PairRefused as error:
            paths = {"certificate": files.certificate, "key": files.key}
            raise _refused((paths[part], refusal.problem) for part, refusal in error.refusals.items()) from None
        except SSL.Error as error:
            raise _refused([(files.certificate, f"OpenSSL refuses it: {_reasons(error)}")]) from None
        except (ValueError, TypeError):  # well-formed, as was just seen, but of a kind that TLS does not sign with
            raise _refused([(files.key, "it is of no kind that TLS can use")]) from None
        if certificate.expires <= self._now():
            raise _refused([(files.certificate, f"it expired on {certificate.expires:%Y-%m-%d}")])
        if identities != _identities(files):
            raise _refused([(files.certificate, "it is being written just now")])
        return _Loaded(files, identities, certificate, pair, context, clients)

    @property
    def _vouching(self) -> ClientAuthorities | None:
        return self._clients.current if self._clients is not None else None

    def _refresh_clients(self) -> None:
        """Read the files of those who vouch for clients, if they changed, and say once what to heed of them."""
        if self._clients is None:
            return
        try:
            self._clients.refresh()
        except ConfigurationError as error:
            self._tell(_CLIENTS, "; ".join(map(str, error.faults)))
        else:
            self._told.pop(_CLIENTS, None)
        warnings = tuple(revocation_warnings(self._clients.current.revocations, self._now()))
        for warning in set(warnings).difference(self._warned):
            self._log.warn("Certificates of clients: {warning}", warning=warning)
        self._warned = warnings

    def _names(self, loaded: Sequence[_Loaded]) -> Iterator[tuple[str, SSL.Context]]:
        """Each name with its context; where a name comes again, the later one counts."""
        declared = [pair for pair in loaded if pair.files in self._pairs]
        found = [pair for pair in loaded if pair.files not in self._pairs]
        found.sort(key=lambda pair: pair.certificate.expires)
        for pair in (*found, *reversed(declared)):
            yield from ((name, pair.context) for name in pair.names)
        for pair in reversed(declared):
            yield from ((name, pair.context) for name in pair.files.names)

    def _report(self, loaded: _Loaded) -> CertificateReport:
        warnings = []
        if readable_by_everyone(loaded.files.key):
            warnings.append(f"everyone on this machine can read {loaded.files.key}")
        if loaded.certificate.expires <= self._now():
            warnings.append(f"{loaded.files.certificate} has expired")
        certificate = loaded.certificate
        return CertificateReport(loaded.files, loaded.names, certificate.issuer, certificate.expires, tuple(warnings))

    def _tell(self, about: Path | str, fault: str) -> None:
        if self._told.get(about) != fault:
            self._told[about] = fault
            self._log.error("A certificate stays as it was: {fault}", fault=fault)


def _found(by_name: Mapping[str, SSL.Context], name: bytes) -> SSL.Context | None:
    """The context for a name, or else for all names of its parent (RFC 9525 section 6.3: one label, the first)."""
    if len(name) > LONGEST_NAME:
        return None
    text = name.decode("ascii", "replace").lower()
    return by_name.get(text) or by_name.get("*." + text.partition(".")[2])


def _read(files: PairFiles) -> Pair:
    """The chain and the key. Raises `ValueError`, `TypeError`."""
    chain = x509.load_pem_x509_certificates(read_regular_file(files.certificate, LARGEST_PEM))
    return chain, load_pem_private_key(read_regular_file(files.key, LARGEST_PEM), None)


def _identities(files: PairFiles) -> Identities:
    return identify(files.certificate), identify(files.key)


def _refused(problems: Iterable[tuple[Path, str]]) -> ConfigurationError:
    return ConfigurationError(Fault(str(path), 1, 1, "", problem) for path, problem in problems)


def _reasons(error: SSL.Error) -> str:
    """What OpenSSL says, which comes as a list of library, function and reason."""
    queue = error.args[0] if error.args else ()
    return ", ".join(str(entry[-1]) for entry in queue) or "it does not say why"

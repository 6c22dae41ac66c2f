"""The authorities whose word on clients counts, and what they have revoked, as TLS contexts want to have them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from OpenSSL import SSL, crypto

from mailbox_d.config.certificates import read_authorities, read_revocations
from mailbox_d.config.client_certificates import ClientCertificates
from mailbox_d.config.faults import ConfigurationError, Fault, Refusal
from mailbox_d.config.file_identity import FileIdentity, identify

CHAIN_DEPTH = 5
"""Authorities between a client's certificate and a root; one is usual."""

Identities: TypeAlias = tuple[FileIdentity | None, ...]


@dataclass(frozen=True, slots=True)
class ClientAuthorities:
    """What one reading of the files gave."""

    certificates: tuple[x509.Certificate, ...]
    revocations: tuple[x509.CertificateRevocationList, ...] = ()

    def vouch_in(self, context: SSL.Context) -> None:
        """Have a server's context hold clients' certificates against these authorities, which clients are told."""
        store = context.get_cert_store()
        assert store is not None
        for certificate in self.certificates:
            store.add_cert(crypto.X509.from_cryptography(certificate))
            context.add_client_ca(certificate)
        for revocation in self.revocations:
            store.add_crl(revocation)
        if self.revocations:
            store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)
        context.set_verify_depth(CHAIN_DEPTH)


class AuthorityFiles:
    """The authorities as their files have them. Making the object and `refresh` block, and raise
    `ConfigurationError`."""

    def __init__(self, settings: ClientCertificates) -> None:
        self._settings = settings
        self._identities: Identities = ()
        self.refresh()

    def refresh(self) -> None:
        """Read what changed; what cannot be read leaves `current` as it was."""
        identities = self._identify()
        if identities == self._identities:
            return
        current = self._read()
        if identities != self._identify():
            raise _fault(self._settings.ca, "it is being written just now")
        self.current, self._identities = current, identities

    def _read(self) -> ClientAuthorities:
        ca, crl = self._settings.ca, self._settings.crl
        path = ca
        try:
            certificates = read_authorities(ca)
            path = crl or ca
            read = ClientAuthorities(certificates, read_revocations(crl) if crl is not None else ())
            read.vouch_in(SSL.Context(SSL.TLS_METHOD))
        except Refusal as refusal:
            raise _fault(path, refusal.problem) from None
        except (crypto.Error, SSL.Error):
            raise _fault(path, "OpenSSL refuses it") from None
        return read

    def _identify(self) -> Identities:
        paths = (self._settings.ca, self._settings.crl)
        return tuple(identify(path) for path in paths if path is not None)


def _fault(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError([Fault(str(path), 1, 1, "", problem)])

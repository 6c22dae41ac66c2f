"""A private certificate authority for tests: right certificates, and wrong ones of every kind."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

WEEK = timedelta(weeks=1)

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def new_key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Pair:
    """A certificate, those that vouch for it (sent along by a server), and its key."""

    certificate: x509.Certificate
    key: PrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def public_key(self) -> bytes:
        """The SubjectPublicKeyInfo in DER, as TLSA records with selector 1 speak of it."""
        return self.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pem(self) -> bytes:
        """The certificate and its chain."""
        return b"".join(one.public_bytes(Encoding.PEM) for one in (self.certificate, *self.chain))

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def tlsa(self, usage: int, selector: int, matching: int) -> tuple[int, int, int, bytes]:
        """The fields of a TLSA record that this certificate fits (RFC 6698 section 2.1)."""
        data = self.public_key if selector else self.der
        return usage, selector, matching, (data, hashlib.sha256(data).digest(), hashlib.sha512(data).digest())[matching]

    def write(self, folder: Path, stem: str) -> tuple[Path, Path]:
        """The certificate with its chain in `<stem>.pem`, the key in `<stem>.key`."""
        certificate, key = folder / f"{stem}.pem", folder / f"{stem}.key"
        certificate.write_bytes(self.pem)
        key.write_bytes(self.key_pem)
        key.chmod(0o600)
        return certificate, key

    def context(self, *, least: int = SSL.TLS1_2_VERSION, most: int = 0, level: int = 1) -> SSL.Context:
        """A server's context with this certificate; versions as pyOpenSSL names them, 0: any; `level`: how much OpenSSL
        asks of keys, 0: nothing."""
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_cipher_list(b"DEFAULT:@SECLEVEL=%d" % level)
        context.set_min_proto_version(least)
        context.set_max_proto_version(most)
        context.use_certificate(self.certificate)
        for one in self.chain:
            context.add_extra_chain_cert(one)
        context.use_privatekey(self.key)
        return context


class Authority:
    """An authority, its own root or below another one."""

    def __init__(
        self,
        name: str = "Authority for tests",
        above: Authority | None = None,
        expires: datetime | None = None,
        *,
        most_below: int | None = None,
        revokes: bool = True,
        more: Sequence[x509.ExtensionType] = (),
    ) -> None:
        """`most_below`: how many authorities there may be below it; `revokes`: it may make lists of what is revoked;
        `more`: critical extensions."""
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = new_key()
        self._above = above
        issuer, key = (above.name, above._key) if above else (self.name, self._key)
        builder = _builder(self.name, issuer, self._key, now() - WEEK, expires or now() + 52 * WEEK)
        constraints = x509.BasicConstraints(ca=True, path_length=most_below)
        for extension in (constraints, _key_usage(signs_certificates=True, signs_lists=revokes), *more):
            builder = builder.add_extension(extension, critical=True)
        self.certificate = builder.sign(key, hashes.SHA256())

    @property
    def pair(self) -> Pair:
        return Pair(self.certificate, self._key)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The authority and those above it but the root, which nobody need send."""
        return (self.certificate, *self._above.chain) if self._above else ()

    def write(self, folder: Path, stem: str = "authority") -> Path:
        """Its certificate as a file of authorities."""
        path = folder / f"{stem}.pem"
        path.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        return path

    def issue(
        self,
        *names: str,
        common_name: str = "",
        begins: datetime | None = None,
        expires: datetime | None = None,
        key: PrivateKey | None = None,
        uses: Sequence[x509.ObjectIdentifier] = (),
        with_root: bool = False,
        more: Sequence[x509.ExtensionType] = (),
    ) -> Pair:
        """A certificate for DNS names, IP addresses and mail addresses; without any it has a common name alone. `uses`:
        what alone it may be used for (extended key usage); `with_root`: the root is sent along, as servers with DANE-TA
        records do; `more`: extensions as they are."""
        key = key or new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
        begins, expires = begins or now() - WEEK, expires or now() + WEEK
        builder = _builder(subject, self.name, key, min(begins, expires - timedelta(hours=1)), expires)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if names:
            alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        if uses:
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        for extension in more:
            builder = builder.add_extension(extension, critical=False)
        chain = (*self.chain, *((self._root.certificate,) if with_root else ()))
        return Pair(builder.sign(self._key, hashes.SHA256()), key, chain)

    def expired(self, *names: str) -> Pair:
        """A certificate that was good until a day ago."""
        return self.issue(*names, begins=now() - 4 * WEEK, expires=now() - timedelta(days=1))

    def not_yet_valid(self, *names: str) -> Pair:
        """A certificate that will be good from tomorrow on."""
        return self.issue(*names, begins=now() + timedelta(days=1))

    def revoke(
        self,
        *pairs: Pair,
        begins: datetime | None = None,
        expires: datetime | None = None,
        serials: Sequence[int] = (),
        more: Sequence[x509.ExtensionType] = (),
    ) -> bytes:
        """A list, in PEM, that says that these of its certificates are revoked, and those with these numbers; `more`:
        critical extensions."""
        expires = expires or now() + WEEK
        numbers = (*serials, *(pair.certificate.serial_number for pair in pairs))
        revoked = [x509.RevokedCertificateBuilder(number, now() - WEEK).build() for number in numbers]
        begins = begins or min(now(), expires) - WEEK
        builder = x509.CertificateRevocationListBuilder(self.name, begins, expires, [], revoked)
        for extension in more:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    @property
    def _root(self) -> Authority:
        return self._above._root if self._above else self


def self_signed(*names: str, expires: datetime | None = None) -> Pair:
    """A certificate that nobody vouches for."""
    key = new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "by itself")])
    expires = expires or now() + WEEK
    builder = _builder(subject, subject, key, min(now(), expires) - WEEK, expires)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), critical=False)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def forged(authority: Authority, *names: str) -> Pair:
    """A certificate that names an authority which has not signed it: the signature is by another key."""
    impostor = Authority()
    impostor.name = authority.name
    pair = impostor.issue(*names)
    return Pair(pair.certificate, pair.key, authority.chain)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, begins: datetime, expires: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(expires)
    )


def _key_usage(*, signs_certificates: bool, signs_lists: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_lists,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    if "@" in name:
        return x509.RFC822Name(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

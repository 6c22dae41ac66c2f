"""What the certificate proves that a client showed in the handshake: an address, or nothing and why.

The handshake (`net/tls`) has seen that the client has the certificate's key, and that an authority of ours made it.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError
from mailbox_d.net.tls import ServerConnection

_PROBLEMS = {
    3: "there is no list of what its authority has revoked",
    7: "its signature is wrong",
    8: "the list of what its authority has revoked has a wrong signature",
    9: "it is not valid yet",
    10: "it has expired",
    11: "the list of what its authority has revoked is not valid yet",
    12: "the list of what its authority has revoked has expired",
    18: "it is vouched for by itself alone",
    19: "no authority of ours vouches for it",
    20: "no authority of ours vouches for it",
    21: "no authority of ours vouches for it",
    22: "its chain is too long",
    23: "it was revoked",
    25: "its authority may have none below it",
    26: "it is not for clients",
    34: "it has a critical extension that is not known",
    35: "its authority may not make lists of what is revoked",
    36: "the list of what its authority has revoked has a critical extension that is not known",
    47: "it has a name that its authority may not vouch for",
    48: "it has a name that its authority may not vouch for",
    66: "its key is too short",
    68: "its signature is by a weak algorithm",
    79: "it is vouched for by one that is no authority's",
}
"""OpenSSL's verification errors that clients' certificates show."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A client's certificate: whose it is, or why it is nobody's. Both are empty where the client showed none."""

    address: str = ""
    fault: str = ""


def shown_on(connection: object) -> Shown:
    """The certificate that the client showed on a TLS connection of ours."""
    if not isinstance(connection, ServerConnection):
        return Shown()
    if connection.errors:
        error = connection.errors[-1]
        return Shown(fault=_PROBLEMS.get(error, f"it cannot be verified (error {error})"))
    if not connection.vouched:
        return Shown()
    try:
        certificate = connection.get_peer_certificate(as_cryptography=True)
        return Shown() if certificate is None else Shown(str(certified_address(certificate)))
    except AddressError as error:
        return Shown(fault=error.public)
    except Exception as error:  # cryptography documents several for odd certificates and raises more
        return Shown(fault=f"it cannot be read: {error}")


def certified_address(certificate: x509.Certificate) -> EmailAddress:
    """Whose a certificate is: its one rfc822Name (RFC 5280 section 4.2.1.6); a common name says nothing.

    Raises `AddressError`, also where the address is quoted in vain, and what cryptography raises for names that cannot
    be read.
    """
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = alternatives.get_values_for_type(x509.RFC822Name)
    except x509.ExtensionNotFound:
        names = []
    if len(names) != 1:
        raise AddressError(f"it names {len(names) or 'no'} mail addresses, not one")
    if not names[0].isascii():
        raise AddressError("its mail address is not in ASCII")
    return EmailAddress.parse_as_spelt(names[0])  # authorities' constraints go by the letter

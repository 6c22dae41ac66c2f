"""Which mechanisms there are, and which of them a connection is offered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mailbox_d.wire.sasl.bearer import OAuthBearer, XOAuth2
from mailbox_d.wire.sasl.exchange import MAX_RESPONSE, Mechanism, PrivacyWanted, UnknownMechanism
from mailbox_d.wire.sasl.external import External
from mailbox_d.wire.sasl.passwords import Login, Plain
from mailbox_d.wire.sasl.scram import NO_BINDINGS, ScramSha256, ScramSha256Plus


@dataclass(frozen=True, slots=True)
class Terms:
    """What an exchange is held to. `limit`: octets of base64 in one response; `is_tls`: nobody can listen; `bindings`:
    the connection's channel bindings by name; `certified`: the address for which the client showed a good certificate,
    empty without one."""

    limit: int = MAX_RESPONSE
    is_tls: bool = False
    bindings: Mapping[str, bytes] = field(default_factory=lambda: NO_BINDINGS)
    certified: str = ""


MECHANISMS: Mapping[str, Callable[[Terms], Mechanism]] = MappingProxyType(
    {
        ScramSha256Plus.name: lambda terms: ScramSha256Plus(terms.limit, terms.bindings),
        ScramSha256.name: lambda terms: ScramSha256(terms.limit, terms.bindings),
        OAuthBearer.name: lambda terms: OAuthBearer(terms.limit),
        XOAuth2.name: lambda terms: XOAuth2(terms.limit),
        External.name: lambda terms: External(terms.certified, terms.limit),
        Plain.name: lambda terms: Plain(terms.limit),
        Login.name: lambda terms: Login(terms.limit),
    }
)
"""Every mechanism by its name, in the order in which to offer them: clients often take the first that they know."""

TOKENS = (OAuthBearer.name, XOAuth2.name)
"""Those that show a token, which is good for whoever reads it: inside TLS alone (RFC 7628 section 4, RFC 6750 section
5.3)."""


def offered(served: Collection[str], terms: Terms) -> tuple[str, ...]:
    """Those of the mechanisms served that this connection may use: SCRAM-SHA-256 brings its binding form along."""
    return tuple(name for name in MECHANISMS if _is_offered(name, served, terms))


def mechanism(name: str, served: Collection[str], terms: Terms) -> Mechanism:
    """A new exchange of the mechanism of that name, in any case. Raises `UnknownMechanism`, or `PrivacyWanted` for one
    that TLS would bring."""
    known = name.upper()
    if known in TOKENS and known in served and not terms.is_tls:
        raise PrivacyWanted("Begin TLS before you send a token")
    if known not in MECHANISMS or not _is_offered(known, served, terms):
        raise UnknownMechanism("This authentication mechanism is not offered")
    return MECHANISMS[known](terms)


def _is_offered(name: str, served: Collection[str], terms: Terms) -> bool:
    if name == ScramSha256Plus.name:
        return bool(terms.bindings) and ScramSha256.name in served
    if name == External.name:
        return bool(terms.certified) and name in served
    return name in served and (terms.is_tls or name not in TOKENS)

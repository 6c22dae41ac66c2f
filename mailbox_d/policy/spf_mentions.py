"""Whether an SPF record lets one server send (RFC 7208), as far as the record alone can tell."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses
from typing import Final, TypeAlias

from mailbox_d.wire.dns.records import IPAddress

MOST_LOOKUPS: Final = 10
"""Terms that lead to other records; with more, no record counts (RFC 7208 section 4.6.4)."""

_REFERRING: Final = ("include", "redirect", "exists", "ptr", "a", "mx")
_WORLD: Final = {4: 1 << 31, 6: 1 << 124}
"""So many addresses are about all there are: half of IPv4's, half of those of IPv6 that are given out."""

_MACRO = r"%\{[slodiphcrtv][0-9]{0,3}r?[-.+,/_=]*\}|%[%_-]"
_MACRO_STRING = re.compile(rf"(?:{_MACRO}|[!-$&-~])*", re.ASCII | re.IGNORECASE)
_MACRO_END = re.compile(rf"(?:{_MACRO})\Z", re.ASCII | re.IGNORECASE)
_TOP_LABEL = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=([^ ]*)")
_MECHANISM = re.compile(
    r"([-+~?]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?::([^ ]*?))?(?:/(0|[1-9][0-9]{0,2}))?(?://(0|[1-9][0-9]{0,2}))?",
    re.ASCII | re.IGNORECASE,
)

_Network: TypeAlias = IPv4Network | IPv6Network


class Mention(Enum):
    """What a record says of a server."""

    LET = "let"
    EVERYBODY = "everybody"
    """All may send, the server too."""
    PERHAPS = "perhaps"
    """Other records decide."""
    NOT = "not"


class UnreadableSpf(Exception):
    """A record that counts for nothing, since it is not as RFC 7208 section 12 says. Its text says why."""


@dataclass(frozen=True, slots=True)
class Term:
    """A mechanism, or a modifier, whose qualifier is empty. `value`: in lower case, without its last dot."""

    qualifier: str
    name: str
    value: str = ""
    network: _Network | None = None


@dataclass(frozen=True, slots=True)
class SendingServer:
    """A server that sends for a domain; `mx_hosts`: the domain's, in lower case."""

    hostname: str
    addresses: Sequence[IPAddress]
    mx_hosts: Collection[str]


def read_spf(text: str) -> tuple[Term, ...]:
    """The terms of a record. Raises `UnreadableSpf`."""
    terms = tuple(_term(word) for word in text.split(" ")[1:] if word)
    names = [term.name for term in terms]
    for name in ("redirect", "exp"):
        if names.count(name) > 1:
            raise UnreadableSpf(f"it has several {name}=")
    if sum(name in _REFERRING for name in names) > MOST_LOOKUPS:
        raise UnreadableSpf(f"it has more than {MOST_LOOKUPS} terms that lead to other records")
    return terms


def mention(terms: Sequence[Term], domain: str, server: SendingServer) -> Mention:
    """What the record of `domain` says of a server, which may send from any of its addresses: each must be let."""
    if _lets_everybody(terms):
        return Mention.EVERYBODY
    said = {_of_address(terms, domain, server, address) for address in server.addresses or (None,)}
    return next((worst for worst in (Mention.NOT, Mention.PERHAPS) if worst in said), Mention.LET)


def included(terms: Sequence[Term]) -> frozenset[str]:
    """The domains whose servers may send as well."""
    return frozenset(term.value for term in _reached(terms) if (term.qualifier, term.name) == ("+", "include"))


def _of_address(terms: Sequence[Term], domain: str, server: SendingServer, address: IPAddress | None) -> Mention:
    """The first mechanism that fits decides (RFC 7208 section 4.6.2)."""
    may_be_let = may_be_refused = False
    for term in _reached(terms):
        fits = _fits(term, domain, server, address)
        is_let = term.qualifier == "+"
        if fits and is_let:
            return Mention.PERHAPS if may_be_refused else Mention.LET
        if fits:
            return Mention.PERHAPS if may_be_let else Mention.NOT
        may_be_let = may_be_let or (fits is None and is_let)
        may_be_refused = may_be_refused or (fits is None and not is_let)
    names = [term.name for term in terms]
    is_redirected = "redirect" in names and "all" not in names
    return Mention.PERHAPS if may_be_let or is_redirected else Mention.NOT


def _reached(terms: Sequence[Term]) -> Iterator[Term]:
    """Mechanisms up to `all`: what stands behind it is never looked at, and it has the last word."""
    for term in terms:
        if term.qualifier:
            yield term
        if term.name == "all":
            return


def _fits(term: Term, domain: str, server: SendingServer, address: IPAddress | None) -> bool | None:
    """Whether a mechanism fits; None: other records decide."""
    if term.name == "all":
        return True
    if term.network is not None:
        return address is not None and address in term.network
    target = term.value or domain
    if term.name == "a" and target == server.hostname:
        return True
    if term.name == "mx" and target == domain:
        return True if server.hostname in server.mx_hosts else None if server.mx_hosts else False
    return None


def _lets_everybody(terms: Sequence[Term]) -> bool:
    """By `all`, or by networks that come to the same."""
    let = [term for term in _reached(terms) if term.qualifier == "+"]
    four = [term.network for term in let if isinstance(term.network, IPv4Network)]
    six = [term.network for term in let if isinstance(term.network, IPv6Network)]
    sizes = {4: sum(one.num_addresses for one in collapse_addresses(four))}
    sizes[6] = sum(one.num_addresses for one in collapse_addresses(six))
    return any(term.name == "all" for term in let) or any(sizes[version] >= _WORLD[version] for version in sizes)


def _term(word: str) -> Term:
    if mechanism := _MECHANISM.fullmatch(word):
        term = _mechanism(*mechanism.groups())
    elif modifier := _MODIFIER.fullmatch(word):
        term = _modifier(modifier[1].lower(), modifier[2])
    else:
        term = None
    if term is None:
        raise UnreadableSpf(f"it has a term that cannot be read: {word[:100]}")
    return term


def _modifier(name: str, value: str) -> Term | None:
    is_right = _is_domain(value) if name in ("redirect", "exp") else _MACRO_STRING.fullmatch(value)
    return Term("", name, _plain(value)) if is_right else None


def _mechanism(qualifier: str, name: str, value: str | None, four: str | None, six: str | None) -> Term | None:
    """None where it may not have what it has, or lacks what it must have."""
    qualifier, name = qualifier or "+", name.lower()
    if name in ("ip4", "ip6"):
        network = _network(name, value or "", four) if six is None else None
        return None if network is None else Term(qualifier, name, network=network)
    if (four or six) and (name not in ("a", "mx") or int(four or 0) > 32 or int(six or 0) > 128):
        return None
    if value is None:
        return None if name in ("include", "exists") else Term(qualifier, name)
    return Term(qualifier, name, _plain(value)) if name != "all" and _is_domain(value) else None


def _network(name: str, value: str, length: str | None) -> _Network | None:
    if "%" in value:
        return None
    try:
        address: IPAddress = IPv4Address(value) if name == "ip4" else IPv6Address(value)
        kind = IPv4Network if name == "ip4" else IPv6Network
        return kind(f"{address}/{address.max_prefixlen if length is None else length}", strict=False)
    except ValueError:
        return None


def _is_domain(value: str) -> bool:
    """`domain-spec`: its end is a label that can be a name's last one, or made by a macro."""
    if not _MACRO_STRING.fullmatch(value):
        return False
    _, dot, label = value.removesuffix(".").rpartition(".")
    return bool(_MACRO_END.search(value) or (dot and _TOP_LABEL.fullmatch(label)))


def _plain(value: str) -> str:
    return value.removesuffix(".").lower()

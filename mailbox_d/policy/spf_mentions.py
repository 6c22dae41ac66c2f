"""Whether an SPF record lets one server send (RFC 7208), as far as the record alone can tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from ipaddress import ip_network

from mailbox_d.wire.dns.records import IPAddress

MOST_TERMS = 100

_REFERRING = ("include", "redirect", "exists", "ptr", "a", "mx")
"""Terms that lead to other records."""

_TERM = re.compile(r"([-+~?]?)([A-Za-z][A-Za-z0-9_.-]*+)(?:[:=]([^ /]*+))?(/[0-9/]{1,10})?")


class Mention(Enum):
    """What a record says of a server."""

    LET = "let"
    EVERYBODY = "everybody"
    """All may send, the server too."""
    PERHAPS = "perhaps"
    """Other records decide."""
    NOT = "not"


def mention(text: str, domain: str, hostname: str, addresses: Sequence[IPAddress]) -> Mention:
    """What `text`, the record of `domain`, says of the server that is its MX; terms behind `all` do not count.

    Networks must hold all of the server's addresses: it may send from any.
    """
    left = set(addresses)
    perhaps = False
    for word in text.split(" ")[1 : MOST_TERMS + 1]:
        term = _TERM.fullmatch(word)
        if term is None:
            continue
        qualifier, name, value = term[1] or "+", term[2].lower(), (term[3] or "").lower()
        if name == "all" and qualifier == "+":
            return Mention.EVERYBODY
        if name == "all":
            break
        if qualifier == "+":
            if _names_server(name, value, domain, hostname):
                return Mention.LET
            left -= _covered(name, value + (term[4] or ""), addresses)
        perhaps = perhaps or name in _REFERRING
    if addresses and not left:
        return Mention.LET
    return Mention.PERHAPS if perhaps else Mention.NOT


def _names_server(name: str, value: str, domain: str, hostname: str) -> bool:
    return (name == "mx" and value in ("", domain)) or (name == "a" and (value or domain) == hostname)


def _covered(name: str, value: str, addresses: Sequence[IPAddress]) -> set[IPAddress]:
    """Which of the addresses a network holds."""
    if name not in ("ip4", "ip6"):
        return set()
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        return set()
    return {address for address in addresses if address in network}

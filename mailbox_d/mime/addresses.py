"""Address lists in header fields (RFC 5322 section 3.4), read strictly.

A strict reader is what a check of the sender needs: text that two programs could read as two addresses is no address
(CVE-2019-16056, CVE-2023-27043).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError

MAX_ADDRESSES = 1000

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]++)
      | (?P<quoted>"(?>(?:[^"\\]|\\.)*)")
      | (?P<literal>\[[^\[\]\\]*+\])
      | (?P<special>[()<>@,;:])
      | (?P<atom>[^\x00-\x20()<>\[\]:;@\\,"\x7f]++)
    """,
    re.VERBOSE | re.DOTALL,
)


def parse_mailbox_list(text: str) -> tuple[EmailAddress, ...]:
    """The addresses of a From, To or Cc value, in order; display names, comments and groups are dropped.

    Raises `AddressError` where the text is not an address list, or holds too many addresses.
    """
    addresses: list[EmailAddress] = []
    phrase: list[str] = []
    bracketed: list[str] | None = None
    for kind in _without_comments(text):
        if kind == "<" and bracketed is None:
            bracketed = []
        elif kind and bracketed is not None and bracketed[-1:] != [">"]:
            bracketed.append(kind)
        elif kind in (",", ";", ""):
            addresses.extend(_member(phrase, bracketed))
            phrase, bracketed = [], None
        elif kind == ":":
            phrase = _group_name(phrase, bracketed)
        elif bracketed is not None:
            raise AddressError("Text stands behind an address")
        else:
            phrase.append(kind)
        if len(addresses) > MAX_ADDRESSES:
            raise AddressError("Too many addresses")
    return tuple(addresses)


def _group_name(phrase: list[str], bracketed: list[str] | None) -> list[str]:
    if not phrase or bracketed is not None or "@" in phrase:
        raise AddressError("This is not an address list")
    return []


def _member(phrase: list[str], bracketed: list[str] | None) -> Iterator[EmailAddress]:
    """The address of one member of a list: `<address>` behind a phrase, or the bare address; none if it is empty."""
    if bracketed is not None:
        if bracketed[-1:] != [">"] or "@" in phrase:
            raise AddressError("An address is written <local@domain>")
        yield _address(bracketed[:-1])
    elif phrase:
        yield _address(phrase)


def _address(tokens: list[str]) -> EmailAddress:
    """The address of three tokens. What comments or blanks take apart, such as `al ice@…`, is read in several ways."""
    if len(tokens) != 3:
        raise AddressError("An address is written local@domain")
    return EmailAddress.parse("".join(tokens))


def _without_comments(text: str) -> Iterator[str]:
    """Tokens without blanks and comments; an empty one at the end. Comments nest, and are counted, not recursed."""
    depth = place = 0
    while place < len(text):
        if depth and text[place] not in "()":
            place += 2 if text[place] == "\\" else 1
            continue
        matched = _TOKEN.match(text, place)
        if matched is None:
            raise AddressError("This is not an address list")
        place = matched.end()
        token = matched[0]
        if token in "()":
            depth += 1 if token == "(" else -1
            if depth < 0:
                raise AddressError("A comment ends that never began")
        elif matched.lastgroup != "blank":
            yield token
    if depth:
        raise AddressError("A comment does not end")
    yield ""

"""The GS2 header, with which SCRAM's and OAUTHBEARER's first messages begin (RFC 5801 section 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailbox_d.wire.sasl.exchange import MalformedResponse

_HEADER = re.compile(r"(?:(n)|(y)|p=([A-Za-z0-9.-]{1,64})),(?:a=([^,\0]*))?,", re.ASCII)
_ESCAPE = re.compile(r"=(2C|3D)?")


@dataclass(frozen=True, slots=True)
class Gs2Header:
    """`flag`: n (no channel binding), y (the client would, if we did), p (by the `binding` of that name). `octets`: the
    header as it stood."""

    flag: str
    binding: str
    authzid: str
    octets: bytes


def read_gs2_header(message: str) -> tuple[Gs2Header, str]:
    """The header of a message, and what follows it. Raises `MalformedResponse`."""
    match = _HEADER.match(message)
    if match is None:
        raise MalformedResponse("The response does not begin as the mechanism prescribes")
    flag = match[1] or match[2] or "p"
    header = Gs2Header(flag, match[3] or "", read_name(match[4] or ""), match[0].encode())
    return header, message[match.end() :]


def read_name(text: str) -> str:
    """A saslname: `=2C` stands for a comma, `=3D` for `=` (RFC 5801 section 4). Raises `MalformedResponse`."""

    def unescaped(match: re.Match[str]) -> str:
        if match[1] is None:
            raise MalformedResponse("The user name is not escaped as the mechanism prescribes")
        return "," if match[1] == "2C" else "="

    return _ESCAPE.sub(unescaped, text)

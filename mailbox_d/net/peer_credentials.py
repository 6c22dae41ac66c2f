"""Who is at the other end of a unix socket, as the kernel saw it when the connection was made."""

from __future__ import annotations

import array
import socket
import struct
from dataclasses import dataclass, field

_UCRED = struct.Struct("3i")
_SO_PEERGROUPS = 59
"""Linux 4.13 and later; Python has no name for it."""

_GROUPS_MAX = 256
"""Of a peer with more groups only the first one is known: Python takes no more from the kernel."""


@dataclass(frozen=True, slots=True)
class PeerCredentials:
    """A process, its user, and its groups."""

    process: int
    user: int
    groups: frozenset[int] = field(repr=False)


def credentials_of(connection: socket.socket) -> PeerCredentials:
    """The credentials of the peer of a unix socket. Raises `OSError`."""
    process, user, group = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return PeerCredentials(process, user, frozenset({group, *_further_groups(connection)}))


def _further_groups(connection: socket.socket) -> list[int]:
    groups = array.array("I")
    try:
        groups.frombytes(connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_MAX * groups.itemsize))
    except OSError:
        return []
    return groups.tolist()

"""Handshakes in memory: our client with a server that has some certificate."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL

from mailbox_d.relay.ports import TlsState
from mailbox_d.relay.tls.handshakes import ClientConnection, PeerHandshake


def shake_hands(handshake: PeerHandshake, server: SSL.Context) -> tuple[TlsState, SSL.Connection]:
    """What a handshake came to, and the server's end. Raises `SSL.Error` where it fails."""
    ours, theirs = connect(handshake, server)
    return handshake.state(ours), theirs


def connect(handshake: PeerHandshake, server: SSL.Context) -> tuple[ClientConnection, SSL.Connection]:
    """Both ends of a connection. Raises `SSL.Error` where the handshake fails."""
    ours = handshake.creator().clientConnectionForTLS(None)
    ours.set_connect_state()
    theirs = SSL.Connection(server, None)
    theirs.set_accept_state()
    for _ in range(20):
        if all([_step(ours, theirs), _step(theirs, ours)]):
            return ours, theirs
    raise AssertionError("the handshake comes to no end")


def _step(connection: SSL.Connection, other: SSL.Connection) -> bool:
    """One side's turn; whether it is through."""
    done = True
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        done = False
    finally:
        _carry(connection, other)
    return done


def _carry(source: SSL.Connection, target: Any) -> None:
    try:
        while True:
            target.bio_write(source.bio_read(1 << 16))
    except SSL.WantReadError:
        return

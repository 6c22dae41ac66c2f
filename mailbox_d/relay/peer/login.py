"""Logging in to a server that takes all our mail (RFC 4954): PLAIN, or LOGIN, inside TLS alone."""

from __future__ import annotations

from base64 import b64encode

from mailbox_d.relay.peer.connection import PeerConnection
from mailbox_d.relay.peer.envelope_commands import command
from mailbox_d.relay.peer.failures import login_refused, malformed
from mailbox_d.relay.ports import Login
from mailbox_d.wire.smtp.extensions import Extensions
from mailbox_d.wire.smtp.peer_replies import ReceivedReply


async def log_in(connection: PeerConnection, extensions: Extensions, login: Login) -> None:
    """Log in over a connection that is secured. Raises `PeerFailure`, whose cause tells the operator what to mend."""
    if "PLAIN" in extensions.mechanisms:
        reply = await _plain(connection, login)
    elif "LOGIN" in extensions.mechanisms:
        reply = await _login(connection, login)
    else:
        offered = ", ".join(sorted(extensions.mechanisms)) or "none"
        raise login_refused(f"a login is configured, but it knows neither PLAIN nor LOGIN (it offers {offered})")
    if reply.code // 100 == 2:
        return
    if reply.code < 400:
        raise malformed("login", f"it replied {reply.code} to a login")
    raise login_refused(f"it refuses the configured login as {login.username}: {reply.code} {reply.text}", reply)


async def _plain(connection: PeerConnection, login: Login) -> ReceivedReply:
    """RFC 4616, with its response at once."""
    response = _base64(f"\0{login.username}\0{login.password}")
    return await connection.ask(command(f"AUTH PLAIN {response}"), "login")


async def _login(connection: PeerConnection, login: Login) -> ReceivedReply:
    reply = await connection.ask(command("AUTH LOGIN"), "login")
    for response in (login.username, login.password):
        if reply.code != 334:
            break
        reply = await connection.ask(command(_base64(response)), "login")
    return reply


def _base64(text: str) -> str:
    return b64encode(text.encode("utf-8")).decode("ascii")

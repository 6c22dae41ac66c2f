"""How a conversation with another server fails: one place that says what each failure means for the mail.

A reply to MAIL, RCPT, DATA or the message's end that refuses mail is no failure of the conversation: it is told as
`Handed`. All failures here are of one server and temporary: another may be tried, and the same one later. What a server
says before MAIL is about itself or about us and never about the message (RFC 5321 section 3.1, RFC 7504 section 4), so
its 5yz are temporary too; 421 means at any place that it is closing (RFC 5321 section 3.8).
"""

from __future__ import annotations

from mailbox_d.relay.ports import PeerFailure, PeerReply, Security, TlsDemand, TlsState
from mailbox_d.wire.smtp.peer_replies import ReceivedReply

CLOSING = 421

NO_ANSWER = "4.4.1"
BAD_CONNECTION = "4.4.2"
PROTOCOL_ERROR = "4.5.0"
OUR_FAULT = "4.3.0"
TLS_LACKING = "4.7.4"
TLS_FAILED = "4.7.5"
LOGIN_FAILED = "4.7.8"
"""Enhanced status codes (RFC 3463, RFC 5248)."""

STARTTLS_LACKING = "starttls-not-supported"
HANDSHAKE_FAILED = "validation-failure"
"""Result types of RFC 8460 section 4.3."""

_WHILE = {
    "connect": "taking the connection",
    "greeting": "greeting",
    "hello": "telling what it can do",
    "tls": "beginning TLS",
    "login": "taking our login",
    "mail": "taking the sender",
    "rcpt": "taking a recipient",
    "data": "taking the message",
    "body": "taking the message",
    "end": "acknowledging the message",
}
"""What the server is about at each stage."""


def peer_reply(reply: ReceivedReply) -> PeerReply:
    """A reply for the record; where it has no enhanced status code, the general one of its class."""
    made_up = f"{reply.code // 100}.0.0" if reply.code // 100 in (2, 4, 5) else ""
    said = f"{reply.status} {reply.text}".strip()
    return PeerReply(reply.code, reply.status or made_up, said)


def as_temporary(status: str) -> str:
    """An enhanced status code of class 5 as one of class 4."""
    return f"4{status[1:]}"


def refused(stage: str, reply: ReceivedReply, *, cause: str = "") -> PeerFailure:
    """The server says no, to us rather than to the mail."""
    told = peer_reply(reply)
    status = as_temporary(told.status) if reply.code >= 400 else PROTOCOL_ERROR
    return PeerFailure(f"The server refused, {_WHILE[stage]}", status, stage=stage, reply=told, cause=cause)


def timed_out(stage: str) -> PeerFailure:
    """The server kept us waiting."""
    status = NO_ANSWER if stage == "connect" else BAD_CONNECTION
    return PeerFailure(f"The server took too long, {_WHILE[stage]}", status, stage=stage, may_have_it=stage == "end")


def lost(stage: str, cause: str) -> PeerFailure:
    """The connection is gone."""
    public = f"The connection broke off, the server {_WHILE[stage]}"
    return PeerFailure(public, BAD_CONNECTION, stage=stage, may_have_it=stage == "end", cause=cause)


def unreachable(cause: str) -> PeerFailure:
    """There is no connection to the server."""
    return PeerFailure("The server cannot be connected to", NO_ANSWER, stage="connect", cause=cause)


def malformed(stage: str, cause: str) -> PeerFailure:
    """What the server said cannot be understood, or not there."""
    public = f"The server broke the protocol, {_WHILE[stage]}"
    return PeerFailure(public, PROTOCOL_ERROR, stage=stage, may_have_it=stage == "end", cause=cause)


def unreadable(cause: str) -> PeerFailure:
    """The message cannot be read on our side."""
    return PeerFailure("The message cannot be read now", OUR_FAULT, stage="body", cause=cause)


def unfit(cause: str) -> PeerFailure:
    """The message may not be sent to anybody as it is: it would be refused where it comes in."""
    public = "The message has line ends that are not allowed"
    return PeerFailure(public, "5.6.0", stage="body", temporary=False, cause=cause)


def not_secured(tls: TlsState, demand: TlsDemand) -> PeerFailure:
    """The connection is less secured than is demanded."""
    lacking = tls.security is Security.PLAIN
    public = "The server has no TLS, which it must have" if lacking else "The server's certificate is not right"
    status = TLS_LACKING if lacking else TLS_FAILED
    cause = f"{tls.problem}; demanded by {demand.policy}"
    return PeerFailure(public, status, stage="tls", failure=tls.failure, cause=cause)


def handshake_failed(why: PeerFailure, *, may_be_plain: bool) -> PeerFailure:
    """There was no TLS, for the reason that broke the conversation."""
    return PeerFailure(
        why.public, TLS_FAILED, stage="tls", failure=HANDSHAKE_FAILED, may_be_plain=may_be_plain, cause=why.cause
    )


def login_refused(cause: str, reply: ReceivedReply | None = None) -> PeerFailure:
    """The server does not know us, which is a fault of our configuration or of theirs and none of the mail."""
    told = None if reply is None else peer_reply(reply)
    return PeerFailure("The server does not let us log in", LOGIN_FAILED, stage="login", reply=told, cause=cause)

"""Requests of every kind: each says what it is about, mailboxes where it says nothing."""

from __future__ import annotations

from typing import TypeAlias

from mailbox_d.wire.control import login_requests, queue_requests
from mailbox_d.wire.control.login_requests import LoginRequest, login_request_of
from mailbox_d.wire.control.objects import BadRequest, parse_object
from mailbox_d.wire.control.queue_requests import QueueRequest, queue_request_of
from mailbox_d.wire.control.requests import Request, request_of

AnyRequest: TypeAlias = Request | QueueRequest | LoginRequest


def parse_any(line: bytes) -> AnyRequest:
    """Read a line without its end. Raises `BadRequest`, whatever the line holds."""
    given = parse_object(line)
    subject = given.pop("subject", "store")
    if subject == "store":
        return request_of(given)
    if subject == queue_requests.SUBJECT:
        return queue_request_of(given)
    if subject == login_requests.SUBJECT:
        return login_request_of(given)
    raise BadRequest("There is no such subject")

"""Reading mail back over IMAP, and telling a message from the trace header that the server put on top of it."""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.programs import require, run
from tests.integration.site import BOB, HOST, PASSWORD, Site

TRACE_FIELDS = ("return-path", "received", "delivered-to")


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as it was read back. `validity` is the mailbox's UIDVALIDITY."""

    validity: int
    uid: int
    octets: bytes


def trust(site: Site) -> ssl.SSLContext:
    """A client's TLS context that trusts the site's certificate and checks names."""
    return ssl.create_default_context(cafile=str(site.certificate))


@contextmanager
def mailbox(site: Site, user: str = BOB, *, implicit: bool = True) -> Iterator[imaplib.IMAP4]:
    """An IMAP session over TLS, logged in, with INBOX selected."""
    client: imaplib.IMAP4
    if implicit:
        client = imaplib.IMAP4_SSL(HOST, site.ports["imaps"], ssl_context=trust(site), timeout=60)
    else:
        client = imaplib.IMAP4(HOST, site.ports["imap"], timeout=60)
        client.starttls(trust(site))
    try:
        client.login(user, PASSWORD)
        checked(client.select("INBOX"))
        yield client
    finally:
        client.logout()


def checked(answer: tuple[str, list[object]]) -> list[object]:
    status, data = answer
    assert status == "OK", data
    return data


def uids(client: imaplib.IMAP4) -> list[int]:
    (line,) = checked(client.uid("SEARCH", "ALL"))
    assert line is None or isinstance(line, bytes)
    return [int(word) for word in (line or b"").split()]


def fetch(client: imaplib.IMAP4, uid: int) -> Stored:
    answer = checked(client.uid("FETCH", str(uid), "(BODY.PEEK[])"))
    (octets,) = [item[1] for item in answer if isinstance(item, tuple)]
    (validity,) = client.untagged_responses["UIDVALIDITY"]
    return Stored(int(validity), uid, octets)


def newest(site: Site, user: str = BOB, *, implicit: bool = True) -> bytes:
    """The message of the highest UID."""
    with mailbox(site, user, implicit=implicit) as client:
        return fetch(client, max(uids(client))).octets


def all_stored(site: Site, user: str = BOB) -> list[Stored]:
    with mailbox(site, user) as client:
        return [fetch(client, uid) for uid in uids(client)]


def newest_by_curl(site: Site, folder: Path, user: str = BOB) -> bytes:
    """The newest message as curl writes it."""
    output = folder / "read"
    url = f"imaps://localhost:{site.ports['imaps']}/INBOX;MAILINDEX=*"
    run([require("curl"), "-sS", "--cacert", site.certificate, "--user", f"{user}:{PASSWORD}", "-o", output, url])
    return output.read_bytes()


def trace_of(stored: bytes, sent: bytes) -> list[str]:
    """The names of the fields in front of what was sent, which must follow octet for octet."""
    assert stored.endswith(sent), f"{stored[-200:]!r} is not the end of {sent[-200:]!r}"
    lines = stored[: len(stored) - len(sent)].decode("ascii").split("\r\n")
    assert lines.pop() == "", "the trace header ends in the middle of a line"
    names = [line.partition(":")[0].lower() for line in lines if not line.startswith((" ", "\t"))]
    assert set(names) <= set(TRACE_FIELDS), names
    return names


def assert_arrived(stored: bytes, sent: bytes) -> None:
    """What was sent lies there octet for octet, under one Return-Path on top and one Received."""
    names = trace_of(stored, sent)
    assert names[0] == "return-path"
    assert (names.count("return-path"), names.count("received")) == (1, 1)

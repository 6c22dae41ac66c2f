"""Who waits for a directory keeps no daemon from stopping, however long it may be till an answer."""

from __future__ import annotations

import signal
import smtplib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml

from mailbox_d.auth.ldap_realm.directory import Query
from mailbox_d.auth.ldap_realm.servers import ServedDirectory
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.errors import AuthenticationUnavailable
from tests.integration.bad_directory import answering, entry, message, result, tlv
from tests.integration.daemon import running
from tests.integration.ports import HOST
from tests.integration.site import UNLIMITED_HOST, Site, make_site

QUERY = Query("dc=example", "(mail=alice@example.org)", ("mail",))
PATIENCE = 25.0
"""What anything takes that waits for nothing."""
TIMEOUT = 60
"""What an answer may take."""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def served(uri: str) -> ServedDirectory:
    keys = {"uris": [uri], "base": "dc=example", "starttls": "none", "timeout": f"{TIMEOUT} s"}
    return ServedDirectory(LdapRealm.model_validate(keys, context={"folder": Path("/")}))


@contextmanager
def asking(directory: ServedDirectory) -> Iterator[list[str]]:
    """Somebody who waits for an answer until the end of the block; the causes of what they are told instead."""
    causes: list[str] = []

    def ask() -> None:
        try:
            directory.search(QUERY)
        except AuthenticationUnavailable as error:
            causes.append(error.cause)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    yield causes
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_who_waits_for_an_answer_is_told_that_there_is_none() -> None:
    over = threading.Event()

    def nothing(number: int) -> Iterator[bytes]:
        over.wait(TIMEOUT)
        yield b""

    with answering(nothing) as server:
        directory = served(server.uri)
        with asking(directory) as causes:
            wait_until(lambda: bool(server.requests))
            directory.stop()
        assert len(causes) == 1
        for question in (lambda: directory.search(QUERY), lambda: directory.accepts("cn=alice", b"pass")):
            with pytest.raises(AuthenticationUnavailable):
                question()
        assert len(server.requests) == 1
        over.set()


def test_who_waits_for_a_handshake_is_told_that_there_is_none() -> None:
    with socket.create_server((HOST, 0)) as listening:
        listening.settimeout(PATIENCE)
        directory = served(f"ldaps://{HOST}:{listening.getsockname()[1]}")
        with asking(directory) as causes:
            client, _ = listening.accept()
            with client:
                client.settimeout(PATIENCE)
                assert client.recv(1)  # the greeting of TLS: it waits for ours
                directory.stop()
        assert len(causes) == 1


def group(number: int, members: int) -> bytes:
    names = [tlv(0x04, b"cn=u%d,dc=example" % member) for member in range(members)]
    attribute = tlv(0x30, tlv(0x04, b"member"), tlv(0x31, *names))
    return message(number, tlv(0x64, tlv(0x04, b"cn=all"), tlv(0x30, attribute)))


def serve_by(site: Site, uri: str) -> None:
    keys = {"uris": [uri], "starttls": "none", "base": "dc=example", "timeout": f"{TIMEOUT} s", "cache": 0}
    configuration = yaml.safe_load(site.configuration.read_text())
    configuration["realms"]["directory"] = {"ldap": {**keys, "groups": {"base": "dc=example"}}}
    configuration["domains"]["example.org"]["realm"] = "directory"
    site.configuration.write_text(yaml.safe_dump(configuration))


def test_a_stranger_s_question_about_a_group_keeps_no_daemon_from_stopping(tmp_path: Path) -> None:
    """A group of 100 members, of whom the directory tells the tenth very late."""
    over, hangs = threading.Event(), threading.Event()

    def answer(number: int) -> Iterator[bytes]:
        asked, done = server.requests[-1], message(number, result(0x65, 0))
        if b"groupOfNames" in asked:
            yield group(number, 100) + done
        elif b"cn=u9," in asked:
            hangs.set()
            over.wait(TIMEOUT)
            yield b""
        elif b"cn=u" in asked:
            yield message(number, entry(b"cn=u")) + done
        else:
            yield done

    site = make_site(tmp_path / "site")
    with answering(answer) as server:
        serve_by(site, server.uri)
        with running(site) as daemon:
            client = smtplib.SMTP(HOST, site.ports["smtp"], timeout=PATIENCE, source_address=(UNLIMITED_HOST, 0))
            client.ehlo()
            client.mail("someone@example.com")
            assert client.sock is not None
            client.sock.sendall(b"RCPT TO:<all@example.org>\r\n")
            assert hangs.wait(PATIENCE)
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.process.wait(PATIENCE) == -signal.SIGTERM
            asked = len(server.requests)
            with suppress(OSError, smtplib.SMTPException):
                client.close()
        over.set()
        assert asked < 20  # and none of the other members

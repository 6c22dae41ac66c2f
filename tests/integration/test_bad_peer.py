"""The scripted peer itself: a good server where the script is silent, and as bad as the script says elsewhere."""

from __future__ import annotations

import smtplib
import socket
import ssl
from pathlib import Path

import pytest

from mailbox_d.ctl.self_signed import make_certificate
from tests.integration.bad_peer import (
    ENDLESS_LINE,
    BadPeer,
    Close,
    DeafPeer,
    Endless,
    Hang,
    Late,
    Reset,
    Say,
    Slowly,
    Taken,
)

MESSAGE = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nend\r\n"


def client_of(peer: BadPeer, *, timeout: float = 30) -> smtplib.SMTP:
    return smtplib.SMTP(peer.address, peer.port, local_hostname="client.example.org", timeout=timeout)


def send(peer: BadPeer, *, options: tuple[str, ...] = ()) -> None:
    with client_of(peer) as client:
        client.sendmail("a@example.org", ["b@example.net", "c@example.net"], MESSAGE, options)


def test_a_good_peer_takes_a_message_and_tells_what_it_got() -> None:
    with BadPeer() as peer:
        send(peer, options=("BODY=8BITMIME",))
        assert peer.wait_for_messages(1) == [
            Taken(
                hello="client.example.org",
                sender="a@example.org",
                parameters=f"size={len(MESSAGE)} BODY=8BITMIME",
                recipients=("b@example.net", "c@example.net"),
                recipients_parameters=("", ""),
                octets=MESSAGE,
                tls="",
                login=None,
                connection=1,
            )
        ]
        peer.wait_until_left()
        assert (peer.connections, peer.most_at_once, peer.times("rcpt"), peer.faults) == (1, 1, 2, [])


@pytest.mark.parametrize("implicit", [False, True])
def test_a_message_over_tls_from_a_user(tmp_path: Path, implicit: bool) -> None:
    files = make_certificate(tmp_path, ("localhost",))
    context = ssl.create_default_context(cafile=str(files.certificate))
    with BadPeer(
        certificate=files, implicit_tls=implicit, extensions=(), tls_extensions=("SIZE", "AUTH PLAIN LOGIN")
    ) as peer:
        if implicit:
            client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", peer.port, context=context)
        else:
            client = smtplib.SMTP("localhost", peer.port)
            client.starttls(context=context)
        with client:
            client.login("alice", "secret")
            client.sendmail("a@example.org", ["b@example.net"], MESSAGE)
        taken = peer.wait_for_messages(1)[0]
        assert (taken.tls, taken.login) == ("TLSv1.3", ("alice", "secret"))


def test_a_script_s_replies_come_the_times_that_it_names() -> None:
    with BadPeer({"rcpt": [None, Say("550 5.1.1 No such user")], "end": Say("451-4.3.0 Not\r\n451 4.3.0 now")}) as peer:
        with pytest.raises(smtplib.SMTPDataError, match="451"):
            send(peer)
        assert peer.messages == []
        assert [command.split(":")[0] for command in peer.commands[1:4]] == ["mail FROM", "rcpt TO", "rcpt TO"]


@pytest.mark.parametrize("stage", ["connect", "greeting", "ehlo", "mail", "rcpt", "data", "body", "end"])
def test_a_peer_closes_or_resets_at_any_stage(stage: str) -> None:
    for act in (Close(), Reset()):
        with BadPeer({stage: act}) as peer:
            with pytest.raises((smtplib.SMTPException, ConnectionError)):
                send(peer)
            peer.wait_until_left()


@pytest.mark.parametrize("stage", ["connect", "greeting", "ehlo", "body", "end"])
def test_a_peer_that_hangs_notices_that_the_client_has_gone(stage: str) -> None:
    with BadPeer({stage: Hang()}) as peer:
        with socket.create_connection((peer.address, peer.port)) as client:
            client.sendall(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n.\r\n")
            peer.wait_for(lambda: peer.open_connections == 1 and stage in peer._counts)
        peer.wait_until_left()


@pytest.mark.parametrize("act", [Endless(), ENDLESS_LINE])
def test_a_peer_talks_without_end(act: Endless) -> None:
    with BadPeer({"ehlo": act}) as peer, socket.create_connection((peer.address, peer.port)) as client:
        client.sendall(b"EHLO a\r\n")
        received = 0
        while received < 1 << 22:
            received += len(client.recv(1 << 20))


def test_a_slow_or_late_peer_takes_the_message_at_last() -> None:
    with BadPeer({"body": Slowly(10, 0.001), "end": Late(0.01)}) as peer:
        send(peer)
        assert peer.wait_for_messages(1)[0].octets == MESSAGE


def test_plaintext_behind_the_go_ahead(tmp_path: Path) -> None:
    files = make_certificate(tmp_path, ("localhost",))
    with (
        BadPeer({"starttls": Say(b"220 Go\r\n250 injected\r\n")}, certificate=files) as peer,
        socket.create_connection((peer.address, peer.port)) as client,
        client.makefile("rb") as lines,
    ):
        client.sendall(b"STARTTLS\r\n")
        assert [lines.readline() for _ in range(3)][1:] == [b"220 Go\r\n", b"250 injected\r\n"]


def test_commands_behind_another_one_are_lost_where_the_script_says_so() -> None:
    with BadPeer(drops_pipelined=True) as peer, socket.create_connection((peer.address, peer.port)) as client:
        client.sendall(b"EHLO a\r\nNOOP\r\n")
        peer.wait_for_command("EHLO")
        client.sendall(b"QUIT\r\n")
        peer.wait_until_left()
        assert peer.commands == ["EHLO a", "QUIT"]


def test_bare_line_ends_are_noted() -> None:
    with BadPeer() as peer, socket.create_connection((peer.address, peer.port)) as client:
        client.sendall(b"EHLO a\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\nx\ny\r\n.\r\nQUIT\r\n")
        peer.wait_until_left()
        assert len(peer.faults) == 2


def test_a_deaf_peer_takes_no_connection() -> None:
    with DeafPeer() as peer, pytest.raises(TimeoutError):
        socket.create_connection((peer.address, peer.port), timeout=0.5)

"""Attack 48 through the daemon: mail waits for a connection that is as it must be, and goes out over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mailbox_d.ctl.self_signed import CertificateFiles
from tests.integration.authority import Authority, Pair, self_signed
from tests.integration.bad_peer import BadPeer, Say, Script
from tests.integration.outgoing import ELSEWHERE, RECORDS, OutgoingSite, outgoing_site
from tests.integration.policy_server import PolicyServer, policy

NAME, CAROL = "mx.elsewhere.example", "carol@elsewhere.example"
AUTHORITY = Authority()
RIGHT, OWN = AUTHORITY.issue(NAME), self_signed(NAME)
PUBLISHED = """\
_mta-sts.elsewhere.example TXT "v=STSv1; id=1"
mta-sts.elsewhere.example A 127.0.0.1
"""
HIDDEN: Script = {"ehlo": Say("250-mx.elsewhere.example\r\n250 PIPELINING")}


@contextmanager
def site(folder: Path, *, records: str = "", secure: bool = False, port: int = 1) -> Iterator[OutgoingSite]:
    """A site, its daemon started, that trusts our authority. `port`: where MTA-STS policies are."""
    settings = f"  ca: {AUTHORITY.write(folder)}\n  mta_sts_port: {port}\n"
    with outgoing_site(folder, records=RECORDS + records, settings=settings, secure=secure) as outgoing:
        outgoing.daemon.start()
        yield outgoing


@contextmanager
def peer(outgoing: OutgoingSite, pair: Pair | None, script: Script | None = None) -> Iterator[BadPeer]:
    """The server elsewhere."""
    files = None if pair is None else CertificateFiles(*pair.write(outgoing.site.folder, "peer"))
    with BadPeer(script, address=ELSEWHERE, port=outgoing.port, name=NAME, certificate=files) as server:
        yield server


def waits(outgoing: OutgoingSite, pair: Pair | None, script: Script | None = None) -> None:
    """A message is tried at a server, which hears nothing of it. A daemon that has just started tries at once."""
    with peer(outgoing, pair, script) as server:
        outgoing.daemon.restart()
        server.wait_until_left()
        assert not [command for command in server.commands if command.startswith(("MAIL", "RCPT", "DATA"))]
    assert len(outgoing.queued) == 1


def goes(outgoing: OutgoingSite, pair: Pair | None) -> None:
    """It goes to a server, over TLS."""
    with peer(outgoing, pair) as server:
        outgoing.daemon.restart()
        (taken,) = server.wait_for_messages(1)
        outgoing.wait_until_empty()
    assert taken.tls.startswith("TLS")


@pytest.fixture
def enforced(tmp_path: Path) -> Iterator[tuple[OutgoingSite, PolicyServer]]:
    with ExitStack() as stack:
        pair = AUTHORITY.issue("mta-sts.elsewhere.example")
        server = stack.enter_context(PolicyServer(pair, policy(NAME)))
        yield stack.enter_context(site(tmp_path, records=PUBLISHED, port=server.port)), server


def test_attack_48_by_mta_sts(enforced: tuple[OutgoingSite, PolicyServer]) -> None:
    outgoing, server = enforced
    outgoing.send(CAROL)
    waits(outgoing, RIGHT, HIDDEN)
    waits(outgoing, None)
    waits(outgoing, OWN)
    waits(outgoing, AUTHORITY.issue("other.example"))
    goes(outgoing, RIGHT)
    assert server.asked == ["mta-sts.elsewhere.example /.well-known/mta-sts.txt"]


def test_attack_48_a_policy_holds_over_a_restart_without_dns_and_without_its_server(
    enforced: tuple[OutgoingSite, PolicyServer],
) -> None:
    outgoing, server = enforced
    outgoing.send(CAROL)
    goes(outgoing, RIGHT)
    outgoing.daemon.stop()
    (outgoing.site.folder / "state/remembered-tls").unlink()
    outgoing.dns.records.forget("_mta-sts.elsewhere.example")
    outgoing.daemon.start()
    outgoing.send(CAROL)
    waits(outgoing, OWN)
    goes(outgoing, RIGHT)
    assert len(server.asked) == 1


def test_attack_48_a_server_that_the_policy_does_not_name_is_not_connected_to(
    enforced: tuple[OutgoingSite, PolicyServer],
) -> None:
    outgoing, server = enforced
    server.policy = policy("mx.honest.example")
    with peer(outgoing, RIGHT) as stranger:
        outgoing.send(CAROL)
        outgoing.wait_until_queued(1)
        with peer_elsewhere(outgoing) as honest:
            outgoing.dns.records.forget("elsewhere.example")
            outgoing.dns.records.add("elsewhere.example MX 10 mx.honest.example\nmx.honest.example A 127.0.0.13")
            outgoing.daemon.restart()
            honest.wait_for_messages(1)
        assert stranger.connections == 0


@contextmanager
def peer_elsewhere(outgoing: OutgoingSite) -> Iterator[BadPeer]:
    files = CertificateFiles(*AUTHORITY.issue("mx.honest.example").write(outgoing.site.folder, "honest"))
    with BadPeer(address="127.0.0.13", port=outgoing.port, certificate=files) as server:
        yield server


def test_attack_48_by_dane(tmp_path: Path) -> None:
    with site(tmp_path, secure=True) as outgoing:
        usage, selector, matching, digest = OWN.tlsa(3, 1, 1)
        place = f"_{outgoing.port}._tcp.{NAME}"
        outgoing.dns.records.add(f"{place} TLSA {usage} {selector} {matching} {digest.hex()}")
        outgoing.send(CAROL)
        waits(outgoing, OWN, HIDDEN)
        waits(outgoing, RIGHT)
        goes(outgoing, OWN)


def test_attack_48_what_was_seen_before_is_demanded_after_a_restart_too(tmp_path: Path) -> None:
    with site(tmp_path) as outgoing:
        outgoing.send(CAROL)
        goes(outgoing, RIGHT)
        outgoing.send(CAROL)
        waits(outgoing, RIGHT, HIDDEN)
        waits(outgoing, OWN)
        goes(outgoing, RIGHT)
        assert "elsewhere.example authenticated" in (outgoing.site.folder / "state/remembered-tls").read_text()


def test_results_are_kept_for_reports(tmp_path: Path) -> None:
    with site(tmp_path) as outgoing:
        outgoing.send(CAROL)
        goes(outgoing, RIGHT)
        outgoing.daemon.restart()
        (file,) = (outgoing.site.folder / "state/tlsrpt").iterdir()
        assert '"domain": "elsewhere.example"' in file.read_text()

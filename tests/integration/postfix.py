"""A real Postfix as the server of another site, with a folder, a queue and a log of its own.

It takes mail for elsewhere.example into Maildirs, at the address and port where the site's DNS says that its server is,
and sends mail for the site's domains to the site. It takes mail for others from one address alone, which is the tests'.
"""

from __future__ import annotations

import email
import email.policy
import os
import pwd
import re
import shutil
import smtplib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from bench.servers import POSTFIX_SERVICES, run, wait_for_greeting
from tests.integration.authority import Pair
from tests.integration.outgoing import ARRIVAL_SECONDS, ELSEWHERE, OutgoingSite
from tests.integration.programs import require

NAME = "mx.elsewhere.example"
CAROL, DAVE, NOBODY = "carol@elsewhere.example", "dave@elsewhere.example", "nobody@elsewhere.example"
ZOE = "zoë@elsewhere.example"
TRUSTED = "127.0.0.5"
"""Who connects from here may send to anybody."""

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = {name}
myorigin = elsewhere.example
mydestination =
mynetworks = {trusted}/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
notify_classes =
maillog_file = {folder}/log/postfix.log
maillog_file_prefixes = {folder}
virtual_mailbox_domains = elsewhere.example
virtual_mailbox_base = {folder}/maildirs
virtual_mailbox_maps = texthash:{folder}/users
virtual_alias_maps = texthash:{folder}/aliases
virtual_uid_maps = static:{owner.pw_uid}
virtual_gid_maps = static:{owner.pw_gid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
message_size_limit = 52428800
local_header_rewrite_clients =
smtpd_helo_required = yes
smtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
smtpd_data_restrictions = reject_unauth_pipelining
smtpd_forbid_bare_newline = yes
strict_rfc821_envelopes = yes
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
smtpd_tls_received_header = yes
smtpd_tls_chain_files = {folder}/peer.key, {folder}/peer.pem
transport_maps = texthash:{folder}/transport
smtp_bind_address = {address}
smtp_dns_support_level = disabled
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = mail.example.org
smtp_tls_CAfile = {folder}/site.pem
minimal_backoff_time = 2s
maximal_backoff_time = 4s
queue_run_delay = 2s
in_flow_delay = 0
"""

MASTER = "{address}:{port} inet n - n - - smtpd\n"

GUARDED = """\
{address}:{port} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"""
"""postscreen(8) looks at clients before smtpd does: it turns away each that it does not know, and watches how it takes
that."""

ESTABLISHED = "01"
"""As Linux calls a connection's state in /proc/net/tcp."""

_COMPLAINT = re.compile(r" (warning|error|fatal|panic): ")
_OF_CLOCKS = re.compile(r"file system clock is \d+ seconds? ahead|resetting file time stamps")


class Postfix:
    """One Postfix at a time; its queue, its Maildirs and its log are kept over restarts."""

    def __init__(
        self, folder: Path, site: OutgoingSite, pair: Pair | None, settings: str, aliases: str, master: str
    ) -> None:
        """`pair`: its certificate, without which it has no TLS; `settings`: what stands in its main.cf besides;
        `aliases`: lines of `address targets`; `master`: the services that clients see."""
        self.folder = folder
        self._port = site.port
        self.most_sessions = 0
        owner = pwd.getpwnam("postfix")
        for part in ("etc", "queue", "data", "log", "maildirs"):
            (folder / part).mkdir(parents=True)
        for part in ("data", "maildirs"):
            shutil.chown(folder / part, owner.pw_uid, owner.pw_gid)
        security = "none"
        if pair is not None:
            pair.write(folder, "peer")
            security = "may"
        main = MAIN.format(folder=folder, owner=owner, name=NAME, address=ELSEWHERE, trusted=TRUSTED)
        main += f"smtpd_tls_security_level = {security}\n{settings}"
        (folder / "etc/main.cf").write_text(main)
        (folder / "etc/master.cf").write_text(master.format(address=ELSEWHERE, port=site.port) + POSTFIX_SERVICES)
        (folder / "users").write_text("".join(f"{user} {user.partition('@')[0]}/\n" for user in (CAROL, DAVE, ZOE)))
        (folder / "aliases").write_text(aliases)
        ours = f"smtp:[127.0.0.1]:{site.site.ports['smtp']}"
        (folder / "transport").write_text(f"example.org {ours}\nexample.net {ours}\n")
        shutil.copy(site.site.certificate, folder / "site.pem")

    def start(self) -> None:
        try:
            run(["postfix", "-c", str(self.folder / "etc"), "start"])
        except RuntimeError as error:
            raise AssertionError(f"{error}\n{self.log_text()}") from error
        wait_for_greeting(self._port, self.folder / "log/postfix.log", ELSEWHERE)

    def stop(self) -> None:
        """End it and all its processes, where it runs."""
        if (self.folder / "queue/pid/master.pid").exists():
            run(["postfix", "-c", str(self.folder / "etc"), "stop"])

    def log_text(self) -> str:
        log = self.folder / "log/postfix.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def complaints(self) -> list[str]:
        """Lines of its log that are worse than information. That the machine's two clocks differ says nothing of us."""
        lines = self.log_text().splitlines()
        return [line for line in lines if _COMPLAINT.search(line) and not _OF_CLOCKS.search(line)]

    def sessions(self) -> int:
        """How many clients are connected to it now, as their own kernel sees it."""
        server = f"{int.from_bytes(IPv4Address(ELSEWHERE).packed, sys.byteorder):08X}:{self._port:04X}"
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return sum(line.split()[2:4] == [server, ESTABLISHED] for line in lines)

    def files(self, user: str) -> list[Path]:
        """The messages in a user's Maildir, in the order in which they were delivered."""
        new = self.folder / "maildirs" / user.partition("@")[0] / "new"
        return sorted(new.iterdir(), key=lambda path: path.stat().st_mtime_ns) if new.is_dir() else []

    def wait_for_mail(self, user: str = CAROL, count: int = 1) -> list[bytes]:
        """Wait until a user has so many messages; all of them, with the line ends that they had on the wire. Meanwhile
        `most_sessions` is noted."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while len(files := self.files(user)) < count:
            self.most_sessions = max(self.most_sessions, self.sessions())
            assert time.monotonic() < deadline, self.log_text()[-4000:]
            time.sleep(0.02)
        return [path.read_bytes().replace(b"\n", b"\r\n") for path in files]

    def wait_for_words(self, words: str, count: int = 1) -> None:
        """Wait until its log has them so often; `most_sessions` is noted meanwhile."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while (text := self.log_text()).count(words) < count:
            self.most_sessions = max(self.most_sessions, self.sessions())
            assert time.monotonic() < deadline, text[-4000:]
            time.sleep(0.02)

    def wait_until_empty(self) -> None:
        """Wait until its queue has nothing any more: what is stopped in the middle of something complains of that."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while any(self._queued()):
            assert time.monotonic() < deadline, self.log_text()[-4000:]
            time.sleep(0.02)

    def send(
        self,
        sender: str,
        *recipients: str,
        octets: bytes = b"",
        mail_options: Sequence[str] = (),
        rcpt_options: Sequence[str] = (),
    ) -> None:
        """Have it send a message. `octets`: all of it."""
        message = octets or f"From: {sender}\r\nSubject: From elsewhere\r\n\r\nHello\r\n".encode()
        with smtplib.SMTP(ELSEWHERE, self._port, source_address=(TRUSTED, 0), timeout=60) as client:
            assert client.sendmail(sender, recipients, message, mail_options, rcpt_options) == {}

    def _queued(self) -> Iterator[Path]:
        for part in ("incoming", "active", "deferred"):
            yield from (path for path in (self.folder / "queue" / part).rglob("*") if not path.is_dir())


@contextmanager
def postfix(
    site: OutgoingSite, pair: Pair | None = None, *, settings: str = "", aliases: str = "", master: str = MASTER
) -> Iterator[Postfix]:
    """The server elsewhere, which runs meanwhile. In the end it has no mail left, and nothing to complain about."""
    require("postfix")
    if os.geteuid():
        pytest.skip("Postfix needs root")
    with tempfile.TemporaryDirectory(prefix="mailboxd-postfix-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Postfix(folder, site, pair, settings, aliases, master)
        try:
            server.start()
            yield server
            server.wait_until_empty()
        finally:
            server.stop()
        complaints = server.complaints()
        assert not complaints, "\n".join(complaints)


def parsed(octets: bytes) -> EmailMessage:
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message

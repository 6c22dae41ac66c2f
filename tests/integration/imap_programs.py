"""Programs that read mail over IMAP, each with the configuration that a person would write for it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.integration.programs import SECONDS, require, run
from tests.integration.site import PASSWORD, Site

MBSYNC = """\
IMAPAccount site
Host localhost
Port {port}
User {user}
Pass {password}
SSLType IMAPS
CertificateFile {certificate}

IMAPStore far
Account site

MaildirStore near
Path {folder}/near/
Inbox {folder}/near/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState {folder}/state/
Sync All
"""

FETCHMAIL = """\
poll localhost protocol {protocol} service {port}
  user "{user}" password "{password}"
  ssl sslcertck sslcertfile "{certificate}"
  mda "cat > {folder}/$$.mail" {options}
"""

MUTT = """\
set ssl_ca_certificates_file={certificate} ssl_force_tls=yes ssl_verify_host=yes
set imap_user={user} imap_pass={password} imap_check_subscribed=no imap_keepalive=300 mail_check=600
set folder=imaps://localhost:{port}/ spoolfile=+INBOX
set delete=yes quit=yes confirmappend=no confirmcreate=no move=no mark_old=no wait_key=no sort=mailbox-order
set header_cache="" message_cachedir="" tmpdir={folder} resolve=no beep=no
"""

_TRANSFERS = re.compile(r"[FN]: \+([0-9]+)/[0-9]+ \*([0-9]+)/[0-9]+ #([0-9]+)/[0-9]+")
"""What mbsync says, only on a terminal, of the far side and then of the near one: done/to do, again and again."""

_FETCHED_BY = re.compile(rb"Received: from [^\n]*\n\tby [^\n]*\(fetchmail-[^\n]*\n\tfor [^\n]*\n")
"""The field that fetchmail adds."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What mbsync did on one side: messages that it added, flags that it changed, messages that it removed."""

    added: int
    flagged: int
    removed: int


class Mbsync:
    """mbsync with a folder of its own: all of the user's mailboxes, both ways."""

    def __init__(self, site: Site, user: str, folder: Path) -> None:
        self._folder = folder
        for part in ("near", "state"):
            (folder / part).mkdir(parents=True)
        for part in ("cur", "new", "tmp"):
            (folder / "near/INBOX" / part).mkdir(parents=True)
        values = {"port": site.ports["imaps"], "certificate": site.certificate, "folder": folder}
        (folder / "mbsyncrc").write_text(MBSYNC.format(**values, user=user, password=PASSWORD))

    def mailbox(self, name: str = "INBOX") -> Path:
        return self._folder / "near" / name

    def messages(self, name: str = "INBOX") -> list[Path]:
        return [path for part in ("cur", "new") for path in (self.mailbox(name) / part).iterdir()]

    def sync(self) -> tuple[Synced, Synced]:
        """Run it once; what it did at the far side (the server's), and at the near one."""
        said = on_terminal([require("mbsync"), "-c", str(self._folder / "mbsyncrc"), "-a"], self._folder)
        far, near = (Synced(*map(int, figures)) for figures in _TRANSFERS.findall(said)[-2:])
        return far, near


def fetchmail(
    site: Site, user: str, folder: Path, *, protocol: str, options: str = "", ids: Path | None = None
) -> list[bytes]:
    """Fetch everything as fetchmail's user would; what it handed on, oldest first, as it was on the wire.

    `ids`: where it keeps the unique ids that it has fetched already, from one time to the next.
    """
    folder.mkdir()
    folder.chmod(0o755)
    port = site.ports["imaps" if protocol == "imap" else "pop3s"]
    values = {"port": port, "certificate": site.certificate, "folder": folder, "options": options}
    configuration = folder / "fetchmailrc"
    configuration.write_text(FETCHMAIL.format(**values, protocol=protocol, user=user, password=PASSWORD))
    configuration.chmod(0o600)
    command = [require("fetchmail"), "-f", configuration, "--pidfile", folder / "pid"]
    command += ["--idfile", ids, "--uidl"] if ids else ["--idfile", folder / "ids"]
    done = run([*command, "--nodetach", "--nosyslog", "-v"], status=None)
    assert done.returncode in (0, 1), done.stdout[-4000:] + done.stderr[-4000:]  # 1: there was nothing to fetch
    files = sorted(folder.glob("*.mail"), key=lambda path: path.stat().st_mtime_ns)
    return [_FETCHED_BY.sub(b"", path.read_bytes(), count=1).replace(b"\n", b"\r\n") for path in files]


def mutt(site: Site, user: str, folder: Path, keys: str) -> str:
    """Open the user's INBOX in mutt on a terminal, press these keys (as for `push`); what it showed."""
    folder.mkdir(exist_ok=True)
    values = {"port": site.ports["imaps"], "certificate": site.certificate, "folder": folder}
    (folder / "muttrc").write_text(MUTT.format(**values, user=user, password=PASSWORD))
    command = [require("mutt"), "-n", "-F", str(folder / "muttrc"), "-e", f'push "{keys}"']
    return on_terminal(command, folder)


def on_terminal(command: list[str], folder: Path) -> str:
    """Run a program that wants a terminal, until it ends by itself; all that it wrote there."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "vt100", "LINES": "25", "COLUMNS": "80", "HOME": str(folder)}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=folder, start_new_session=True
    )
    os.close(theirs)
    try:
        return _read_to_end(ours, time.monotonic() + SECONDS)
    finally:
        os.close(ours)
        if process.poll() is None:
            process.terminate()
        assert process.wait(SECONDS) == 0, f"{command[0]} did not end by itself"


def _read_to_end(terminal: int, deadline: float) -> str:
    """What is written until the last writer closes, which Linux tells as an error of the terminal (EIO)."""
    said = b""
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([terminal], [], [], left)[0]:
            break
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    return said.decode(errors="replace")

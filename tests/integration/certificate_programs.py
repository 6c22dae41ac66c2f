"""Programs that show a certificate and log in by EXTERNAL, each as its user would tell it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.integration.imap_programs import on_terminal
from tests.integration.ports import HOST
from tests.integration.programs import require, run
from tests.integration.site import ALICE, BOB, Site

MSMTP = """\
account default
host localhost
port {port}
tls on
tls_starttls {starttls}
tls_trust_file {trusted}
tls_cert_file {certificate}
tls_key_file {key}
auth external
user {user}
from {user}
"""

MUTT = """\
set ssl_ca_certificates_file={trusted} ssl_force_tls=yes ssl_verify_host=yes ssl_client_cert={both}
set imap_user={user} imap_pass=unused imap_authenticators=external
set spoolfile=imaps://localhost:{port}/ folder={folder} quit=yes wait_key=no move=no beep=no
set header_cache="" message_cachedir="" tmpdir={folder}
"""

MBSYNC = """\
IMAPAccount site
Host localhost
Port {port}
User {user}
Pass unused
AuthMechs EXTERNAL
SSLType IMAPS
CertificateFile {trusted}
ClientCertificate {certificate}
ClientKey {key}

IMAPStore far
Account site

MaildirStore near
Path {folder}/near/
Inbox {folder}/near/INBOX

Channel inbox
Far :far:
Near :near:
SyncState {folder}/state/
"""

IMPLICIT = {"imaps": "imaps", "pop3s": "pop3s", "submissions": "smtps"}
UPGRADED = {"imap": "imap", "pop3": "pop3", "submission": "smtp"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate with what vouches for it, and its key, both in PEM."""

    certificate: Path
    key: Path


def curl(
    site: Site, kind: str, shown: Shown | None, user: str = ALICE, login: str = "EXTERNAL", secret: str = ""
) -> str:
    """Log in, after STARTTLS where TLS does not come first; empty where that went well, or what curl says of it."""
    url = f"{(IMPLICIT | UPGRADED)[kind]}://localhost:{site.ports[kind]}/"
    shows = ["--cert", shown.certificate, "--key", shown.key] if shown else []
    asks = ["--request", "NOOP"] if kind in ("submission", "submissions") else []
    who = ["--user", f"{user}:{secret}", "--login-options", f"AUTH={login}"]
    command = [require("curl"), "-sS", "--ssl-reqd", "--cacert", site.certificate, *shows, *who, *asks, url]
    done = run(command, status=None)
    return "" if done.returncode == 0 else done.stderr.decode()


def s_client(site: Site, kind: str, shown: Shown | None, said: str, *more: str | Path) -> str:
    """What a server of IMAP or POP3 says to some lines inside openssl's TLS; the last one ends the session."""
    shows = ["-cert", shown.certificate, "-key", shown.key] if shown else []
    command = [*_s_client(site, kind), "-crlf", "-ign_eof", "-quiet", *shows, *more]
    return run(command, stdin=said.encode(), status=None).stdout.decode(errors="replace")


def is_asked(site: Site, kind: str) -> bool:
    """Whether openssl is asked for a certificate."""
    told = run([*_s_client(site, kind), "-tls1_2"], status=None).stdout
    assert b"Verify return code" in told
    return b"Acceptable client certificate CA names" in told


def _s_client(site: Site, kind: str) -> list[str | Path]:
    upgrades = ["-starttls", (UPGRADED | {"smtp": "smtp"})[kind]] if kind not in IMPLICIT else []
    return [require("openssl"), "s_client", "-connect", f"{HOST}:{site.ports[kind]}", *upgrades]


def msmtp(site: Site, kind: str, shown: Shown, folder: Path) -> bool:
    """Whether msmtp logs in as alice and sends bob a message."""
    account = folder / "msmtprc"
    values = {"port": site.ports[kind], "trusted": site.certificate, "certificate": shown.certificate, "key": shown.key}
    account.write_text(MSMTP.format(**values, starttls="on" if kind == "submission" else "off", user=ALICE))
    account.chmod(0o600)
    done = run([require("msmtp"), f"--file={account}", BOB], stdin=b"Subject: Hello\n\nHello Bob.\n", status=None)
    return done.returncode == 0


def mbsync(site: Site, shown: Shown, folder: Path) -> str:
    """Log in as alice and fetch what there is; empty where that went well, or what mbsync says of it."""
    for part in ("state", "near/INBOX/cur", "near/INBOX/new", "near/INBOX/tmp"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    values = {"port": site.ports["imaps"], "trusted": site.certificate, "folder": folder, "user": ALICE}
    (folder / "mbsyncrc").write_text(MBSYNC.format(**values, certificate=shown.certificate, key=shown.key))
    done = run([require("mbsync"), "-c", folder / "mbsyncrc", "-a"], status=None)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).decode()


def gsasl(site: Site, kind: str, shown: Shown, as_whom: str = ALICE) -> bool:
    """Whether gsasl logs in over IMAP or submission, after STARTTLS."""
    protocol = "--imap" if kind == "imap" else "--smtp"
    login = ["--mechanism", "EXTERNAL", "--authorization-id", as_whom]
    tls = ["--starttls", f"--x509-ca-file={site.certificate}", "--no-cb"]
    shows = [f"--x509-cert-file={shown.certificate}", f"--x509-key-file={shown.key}"]
    command = [require("gsasl"), protocol, *login, *tls, *shows, HOST, str(site.ports[kind])]
    return run(command, status=None).returncode == 0


def mutt(site: Site, shown: Shown, folder: Path) -> str:
    """Open the mailbox and leave; what mutt showed."""
    both = folder / "both.pem"
    both.write_bytes(shown.key.read_bytes() + shown.certificate.read_bytes())
    values = {"port": site.ports["imaps"], "trusted": site.certificate, "both": both, "user": ALICE, "folder": folder}
    (folder / "muttrc").write_text(MUTT.format(**values))
    return on_terminal([require("mutt"), "-n", "-F", str(folder / "muttrc"), "-e", 'push "<quit>"'], folder)

"""Programs that log in by a SASL mechanism that they are told, each as its user would tell it."""

from __future__ import annotations

from pathlib import Path

from tests.integration.imap_programs import on_terminal
from tests.integration.ports import HOST
from tests.integration.programs import require, run
from tests.integration.site import BOB, PASSWORD, Site

MSMTP = """\
account default
host localhost
port {port}
tls on
tls_starttls {starttls}
tls_trust_file {certificate}
auth {mechanism}
user {user}
password {password}
from {user}
"""

MBSYNC = """\
IMAPAccount site
Host localhost
Port {port}
User {user}
Pass {password}
AuthMechs {mechanism}
SSLType IMAPS
CertificateFile {certificate}

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

MUTT = """\
set ssl_ca_certificates_file={certificate} ssl_force_tls=yes ssl_verify_host=yes
set {protocol}_user={user} {protocol}_pass={password} {protocol}_authenticators={mechanism}
set spoolfile={protocol}s://localhost:{port}/ folder={folder} quit=yes wait_key=no move=no beep=no
set header_cache="" message_cachedir="" tmpdir={folder}
"""

SERVER_TRUSTED = b"Client authentication finished (server trusted)"
TLS_1_2 = "NORMAL:-VERS-TLS1.3"


def gsasl(
    site: Site,
    kind: str,
    mechanism: str,
    user: str,
    password: str = PASSWORD,
    *,
    binds: bool = True,
    priority: str = "NORMAL",
) -> bool:
    """Whether gsasl logs in over IMAP or submission, after STARTTLS: it knows no other way. `mechanism`: empty for
    the one that it finds best; `priority`: GnuTLS's, of the versions and ciphers."""
    protocol = "--imap" if kind == "imap" else "--smtp"
    login = ["--authentication-id", user, "--password", password, *(["--mechanism", mechanism] if mechanism else [])]
    tls = [
        "--starttls",
        f"--x509-ca-file={site.certificate}",
        f"--priority={priority}",
        *([] if binds else ["--no-cb"]),
    ]
    done = run([require("gsasl"), protocol, *login, *tls, HOST, str(site.ports[kind])], status=None)
    assert (SERVER_TRUSTED in done.stdout + done.stderr) is (done.returncode == 0), done.stdout + done.stderr
    return done.returncode == 0


def msmtp(site: Site, kind: str, mechanism: str, user: str, folder: Path, password: str = PASSWORD) -> bool:
    """Whether msmtp logs in and sends bob a message."""
    account = folder / "msmtprc"
    starttls = "on" if kind == "submission" else "off"
    values = {"port": site.ports[kind], "starttls": starttls, "certificate": site.certificate, "mechanism": mechanism}
    account.write_text(MSMTP.format(**values, user=user, password=password))
    account.chmod(0o600)
    done = run([require("msmtp"), f"--file={account}", BOB], stdin=b"Subject: Hello\n\nHello Bob.\n", status=None)
    return done.returncode == 0


def mbsync(site: Site, mechanism: str, user: str, folder: Path, password: str = PASSWORD) -> bool:
    """Whether mbsync logs in and fetches what there is."""
    for part in ("state", "near/INBOX/cur", "near/INBOX/new", "near/INBOX/tmp"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    values = {"port": site.ports["imaps"], "certificate": site.certificate, "mechanism": mechanism, "folder": folder}
    (folder / "mbsyncrc").write_text(MBSYNC.format(**values, user=user, password=password))
    return run([require("mbsync"), "-c", folder / "mbsyncrc", "-a"], status=None).returncode == 0


def mutt(site: Site, protocol: str, mechanism: str, user: str, folder: Path) -> str:
    """Open the mailbox, over `imap` or `pop`, and leave; what mutt showed."""
    port = site.ports["imaps" if protocol == "imap" else "pop3s"]
    values = {"port": port, "certificate": site.certificate, "protocol": protocol, "mechanism": mechanism}
    (folder / "muttrc").write_text(MUTT.format(**values, user=user, password=PASSWORD, folder=folder))
    return on_terminal([require("mutt"), "-n", "-F", str(folder / "muttrc"), "-e", 'push "<quit>"'], folder)


def curl(site: Site, kind: str, mechanism: str, user: str, password: str = PASSWORD) -> bool:
    """Whether curl lists what there is in an account, or is let in for sending."""
    scheme = {"imaps": "imaps", "pop3s": "pop3s", "submissions": "smtps"}[kind]
    login = ["--user", f"{user}:{password}", "--login-options", f"AUTH={mechanism}"]
    asks = ["--request", "NOOP"] if kind == "submissions" else []
    url = f"{scheme}://localhost:{site.ports[kind]}/"
    return run([require("curl"), "-sS", "--cacert", site.certificate, *login, *asks, url], status=None).returncode == 0


def swaks(site: Site, mechanism: str, user: str, password: str = PASSWORD) -> bool:
    """Whether swaks logs in for sending."""
    server = ["--server", "localhost", "--port", str(site.ports["submission"])]
    tls = ["--tls", "--tls-verify", "--tls-ca-path", site.certificate]
    login = ["--auth", mechanism, "--auth-user", user, "--auth-password", password]
    done = run([require("swaks"), *server, *tls, *login, "--quit-after", "AUTH", "--hide-all"], status=None)
    return done.returncode == 0

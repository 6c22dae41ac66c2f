"""A real OpenLDAP server on the loopback interface, with a folder, certificates and entries of its own."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.integration.authority import Authority
from tests.integration.daemon import can_connect
from tests.integration.ports import HOST, free_ports
from tests.integration.programs import require

SECONDS = 20.0
SUFFIX = "dc=example,dc=net"
ROOT_DN = f"cn=root,{SUFFIX}"
SECRET = "the daemon's own"
SERVICE_DN = f"cn=mailboxd,ou=services,{SUFFIX}"
MODULES = Path("/usr/lib/ldap")
SCHEMAS = Path("/etc/ldap/schema")

SETTINGS = """
{includes}
pidfile {folder}/slapd.pid
modulepath {modules}
moduleload back_mdb
moduleload memberof
TLSCACertificateFile {authority}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
{require_tls}
database mdb
suffix "{suffix}"
rootdn "{root}"
rootpw {secret}
directory {folder}/data
maxsize 1073741824
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by self read by anonymous auth by * none
"""

TREE = f"""
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,{SUFFIX}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{SUFFIX}
objectClass: organizationalUnit
ou: groups

dn: ou=services,{SUFFIX}
objectClass: organizationalUnit
ou: services

dn: {SERVICE_DN}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: mailboxd
userPassword: {SECRET}
"""


@dataclass
class Slapd:
    """One server process at a time. `ldap` and `ldaps` are ports."""

    folder: Path
    ldap: int
    ldaps: int
    authority: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def socket(self) -> Path:
        return self.folder / "ldapi"

    @property
    def uris(self) -> dict[str, str]:
        """Where it listens, by scheme."""
        return {
            "ldap": f"ldap://localhost:{self.ldap}",
            "ldaps": f"ldaps://localhost:{self.ldaps}",
            "ldapi": "ldapi://" + quote(str(self.socket), safe=""),
        }

    def start(self) -> None:
        places = f"ldap://{HOST}:{self.ldap}/ ldaps://{HOST}:{self.ldaps}/ {self.uris['ldapi']}"
        with (self.folder / "log").open("ab") as log:
            command = [require("slapd"), "-d", "0", "-f", str(self.folder / "slapd.conf"), "-h", places]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + SECONDS
        while not (can_connect(self.ldap) and can_connect(self.ldaps) and self.socket.exists()):
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "slapd does not listen"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it, hung or not."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.socket.unlink(missing_ok=True)

    def hang(self) -> None:
        """It takes connections, as the kernel does that for it, and says nothing; none of its threads goes on."""
        self._send(signal.SIGSTOP)
        deadline = time.monotonic() + SECONDS
        while not self._is_stopped():
            assert time.monotonic() < deadline, "slapd goes on"
            time.sleep(0.01)

    def go_on(self) -> None:
        self._send(signal.SIGCONT)

    def add(self, ldif: str) -> None:
        """Add entries, as its root."""
        self._as_root("ldapadd", ldif)

    def change(self, ldif: str) -> None:
        """Change entries, as its root."""
        self._as_root("ldapmodify", ldif)

    def _as_root(self, program: str, ldif: str) -> None:
        command = [require(program), "-x", "-H", self.uris["ldapi"], "-D", ROOT_DN, "-w", SECRET]
        done = subprocess.run(command, input=ldif.encode(), capture_output=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def _is_stopped(self) -> bool:
        """Whether each of its threads has taken notice (proc(5): state T)."""
        assert self.process is not None
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/stat")
        return all(thread.read_text().rpartition(") ")[2].startswith("T") for thread in threads)

    def _send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)


def make_slapd(
    folder: Path,
    *names: str,
    schemas: tuple[Path, ...] = (),
    authority: Authority | None = None,
    service: str = SERVICE_DN,
    require_tls: bool = False,
) -> Slapd:
    """A server with nothing but the tree in it, not yet started. `names`: those of its certificate, else localhost;
    `service`: who may read."""
    require("slapd")
    (folder / "data").mkdir(parents=True)
    authority = authority or Authority()
    certificate, key = authority.issue(*(names or ("localhost", HOST))).write(folder, "slapd")
    known = [SCHEMAS / f"{name}.schema" for name in ("core", "cosine", "nis", "inetorgperson")]
    slapd = Slapd(folder, *free_ports(2), authority=authority.write(folder))
    (folder / "slapd.conf").write_text(
        SETTINGS.format(
            includes="\n".join(f"include {path}" for path in (*known, *schemas)),
            folder=folder,
            modules=MODULES,
            authority=slapd.authority,
            certificate=certificate,
            key=key,
            require_tls="localSSF 128\nsecurity simple_bind=128" if require_tls else "",
            suffix=SUFFIX,
            root=ROOT_DN,
            secret=f'"{SECRET}"',
            service=service,
        )
    )
    return slapd


@contextmanager
def serving(slapd: Slapd, ldif: str = "") -> Iterator[Slapd]:
    """The server with its entries, for as long as the block."""
    try:
        slapd.start()
        slapd.add(TREE + ldif)
        yield slapd
    finally:
        slapd.stop()


def person(name: str, *more: str, password: str = "pass", domain: str = "example.org") -> str:
    """An entry for a user; `more` are further lines."""
    lines = (
        f"dn: uid={name},ou=people,{SUFFIX}",
        "objectClass: inetOrgPerson",
        f"uid: {name}",
        f"cn: {name}",
        f"sn: {name}",
        f"mail: {name}@{domain}",
        f"userPassword: {password}",
        *more,
    )
    return "\n" + "\n".join(lines) + "\n"

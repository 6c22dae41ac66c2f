"""`mailboxctl dns --check` against a DNS server: what the command prints for a zone, it then finds right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.integration.fake_dns import FakeDns, servfail, serving
from tests.integration.programs import run
from tests.unit.ctl.site_files import make_site

pytestmark = pytest.mark.integration

NOBODY = 65534
PTR = "25.2.0.192.in-addr.arpa PTR mail.example.org\n"


def mailboxctl(site: Path, *words: str, status: int | None = 0) -> subprocess.CompletedProcess[bytes]:
    return run([sys.executable, "-m", "mailbox_d.ctl", *words, "--config", site], status=status)


def check(folder: Path, dns: FakeDns, status: int) -> dict[str, Any]:
    """The state of each record by its name and type, after the command ended with this status."""
    site = folder / "mailboxd.yaml"
    said = mailboxctl(site, "dns", "example.org", "--check", "--json", status=status).stdout
    answers = [json.loads(line) for line in said.splitlines()]
    assert answers[-1] == {"answer": "end", "status": status}
    return {f"{a['name']} {a['type']}": a["state"] for a in answers if a["answer"] == "record"}


def test_records_as_they_are_printed_are_right(tmp_path: Path) -> None:
    with serving() as dns:
        site = make_site(tmp_path, f'queue: {{resolver: "{dns.address}"}}\nlimits: {{dns_timeout: 2 s}}\n')
        assert set(check(tmp_path, dns, 1).values()) == {"missing"}
        mailboxctl(site, "dkim", "keygen", "example.org", "--activate")
        dns.records.add(
            mailboxctl(site, "dns", "example.org", "--zone", "--address", "192.0.2.25").stdout.decode() + PTR
        )
        assert set(check(tmp_path, dns, 0).values()) == {"right"}
        dns.misbehave("_dmarc.example.org", servfail)
        states = check(tmp_path, dns, 3)
        assert [name for name, state in states.items() if state != "right"] == ["_dmarc.example.org TXT"]
        dns.behave()
        dns.records.add('example.org TXT "v=spf1 -all"\n')
        assert check(tmp_path, dns, 1)["example.org TXT"] == "wrong"


def test_a_person_is_told_what_is_wrong(tmp_path: Path) -> None:
    with serving("example.org MX 10 mx.example.com\n") as dns:
        site = make_site(tmp_path, f'queue: {{resolver: "{dns.address}"}}\n')
        said = mailboxctl(site, "dns", "example.org", "--check", status=1).stdout.decode()
    assert (
        "WRONG     example.org MX 10 mail.example.org.\n          mail goes elsewhere\n          found: mx.example.com"
        in said
    )
    assert "MISSING   example.org TXT" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_keys_that_root_makes_belong_to_the_daemons_user() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        site = make_site(path)
        os.chown(path / "state", NOBODY, NOBODY)
        mailboxctl(site, "dkim", "keygen", "example.org", "--activate")
        made = [*(path / "state").rglob("*")]
        assert len(made) == 5 and {found.stat().st_uid for found in made} == {NOBODY}

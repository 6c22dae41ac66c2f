"""A configuration on the disk, for commands that read one."""

from __future__ import annotations

from pathlib import Path

CONFIGURATION = """\
hostname: mail.example.org
storage: {{maildirs: maildirs, state: state}}
listeners: {listeners}
tls: {{certificates: [{{certificate: {certificate}.pem, key: {certificate}.key}}]}}
realms: {{staff: {{yaml: users.yaml}}}}
domains: {{example.org: {{realm: staff}}}}
"""
LISTENERS = '{smtp: ["tcp:25"], submissions: ["tcp:465"], submission: ["tcp:587"], imaps: ["tcp:993"]}'


def make_site(folder: Path, more: str = "", listeners: str = LISTENERS, certificate: str = "none") -> Path:
    """The configuration's path; `more` is added to it. `certificate`: the name of the pair's files."""
    (folder / "state").mkdir()
    path = folder / "mailboxd.yaml"
    path.write_text(CONFIGURATION.format(listeners=listeners, certificate=certificate) + more)
    return path

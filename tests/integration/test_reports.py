"""Reports, read by a program for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.imap_programs import on_terminal
from tests.integration.programs import require

pytestmark = pytest.mark.integration

REPORTS = Path(__file__).parent.parent / "golden" / "reports"
OPTIONS = "set charset=utf-8 folder=. wait_key=no pipe_decode=yes quit=yes"
KEYS = 'push "<pipe-message>cat > shown<enter><exit>"'


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("failed", ("no such address", "To: bob@example.net", "At ten?")),
        ("delayed", ("still being tried", "To: bob@example.net")),
        ("utf8", ("<zoë@example.net>", "From: Renée <renée@example.org>", "À dix heures ?")),
        ("eight_bit", ("said: 550 5.1.1 für bob", "To: bob@example.net")),
    ],
)
def test_mutt_shows_what_happened_and_what_is_given_back(tmp_path: Path, name: str, words: tuple[str, ...]) -> None:
    for folder in ("cur", "new", "tmp"):
        (tmp_path / "mail" / folder).mkdir(parents=True)
    report = (REPORTS / f"{name}.eml").read_bytes().replace(b"\r\n", b"\n")
    (tmp_path / "mail" / "cur" / "1.r:2,").write_bytes(report)
    on_terminal([require("mutt"), "-n", "-F", "/dev/null", "-R", "-e", OPTIONS, "-f", "mail", "-e", KEYS], tmp_path)
    shown = " ".join((tmp_path / "shown").read_text().split())
    assert [said for said in words if said not in shown] == []

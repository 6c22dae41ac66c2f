"""dovecot-uidvalidity: each value once."""

from __future__ import annotations

from pathlib import Path

from mailbox_d.store.files import FileSystem
from mailbox_d.store.uidvalidity import next_uid_validity


def take(maildir: Path) -> int:
    return next_uid_validity(FileSystem(), bytes(maildir), clock=lambda: 1000.0)


def marks(maildir: Path) -> list[str]:
    return sorted(path.name for path in maildir.iterdir())


def test_it_begins_at_the_clock_and_counts(tmp_path: Path) -> None:
    assert [take(tmp_path) for _ in range(3)] == [1000, 1001, 1002]
    assert marks(tmp_path) == ["dovecot-uidvalidity", "dovecot-uidvalidity.000003ea"]
    assert (tmp_path / "dovecot-uidvalidity").read_bytes() == b"000003ea"
    assert (tmp_path / "dovecot-uidvalidity.000003ea").stat().st_mode & 0o777 == 0o444


def test_it_goes_on_where_another_program_left_it(tmp_path: Path) -> None:
    (tmp_path / "dovecot-uidvalidity").write_bytes(b"65000000")
    (tmp_path / "dovecot-uidvalidity.65000000").touch()
    assert take(tmp_path) == 0x65000001


def test_the_mark_s_name_counts_where_the_file_is_behind_or_missing(tmp_path: Path) -> None:
    (tmp_path / "dovecot-uidvalidity.65000007").touch()
    assert take(tmp_path) == 0x65000008
    (tmp_path / "dovecot-uidvalidity").write_bytes(b"65000000")
    assert take(tmp_path) == 0x65000009
    (tmp_path / "dovecot-uidvalidity").write_bytes(b"junk, and much of it")
    assert take(tmp_path) == 0x6500000A


def test_a_lost_mark_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "dovecot-uidvalidity").write_bytes(b"65000000")
    first, second = take(tmp_path), take(tmp_path)
    assert second == first + 1

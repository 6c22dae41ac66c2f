"""A repair that fails or is cut off at any step loses no message, spends UIDs at most, and the next ends the work."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.upkeep.accounts import every_account
from mailbox_d.store.upkeep.repair import Repair
from mailbox_d.store.upkeep.steps import Trouble
from mailbox_d.store.upkeep.verification import Verification
from tests.faults.store_files import FailingFiles
from tests.faults.test_store_kill import run_until_it_dies
from tests.unit.store.upkeep.driving import Measuring, Site, driven, message
from tests.unit.store.upkeep.test_planted import plant_list_torn, rename_to_size


def planted(root: Path) -> Site:
    """A store with faults of many kinds: sizes, names, the list."""
    site = Site(root)
    rename_to_size(site, b",S=3,W=4")
    plant_list_torn(site)
    message(site.maildir, "1700000002.M2P1.host", "new", b"Subject: a second file of one name\n\n")
    message(site.maildir, "1700000009.M9P1.ho\nst:2,Sa", body=b"Subject: a name of two lines\n\n")
    (site.maildir / "dovecot-keywords").write_bytes(b"junk\n")
    return site


def all_files(site: Site) -> set[bytes]:
    return {path.read_bytes() for part in ("cur", "new") for path in (site.maildir / part).iterdir()}


def repair(store: MaildirStore) -> list[object]:
    repairing = Repair(store.disk, Verification(store.disk, Measuring()), store.end)
    return list(driven(repairing.accounts(every_account(store.disk, store.layout))))


def assert_ends_well(site: Site, before: set[bytes]) -> None:
    """The next repair does what is left, and everything is there."""
    repair(MaildirStore(site.root))
    assert site.verify(deep=True) == []
    assert all_files(site) == before
    bodies = site.bodies()
    assert len(bodies) == 5 and len(set(bodies.values())) == 3
    kept = [uid for uid in bodies if uid <= 3]
    assert all(bodies[uid].startswith(b"Subject: a message") for uid in kept)


@pytest.mark.parametrize("code", (errno.ENOSPC, errno.EIO, errno.EACCES), ids=lambda code: errno.errorcode[code])
def test_a_repair_that_fails_at_any_step_loses_nothing(tmp_path: Path, code: int) -> None:
    for number in range(1, 300):
        site = planted(tmp_path / str(number))
        before = all_files(site)
        files = FailingFiles(number, code)
        store = MaildirStore(site.root, files=files)
        files.armed = True
        told = repair(store)
        files.armed = False
        assert all_files(site) == before
        assert not list(site.root.rglob("*.lock")) or files.failed is not None
        del store
        for lock in site.root.rglob("*.lock"):
            lock.unlink()  # its process lives: it is ours
        assert_ends_well(site, before)
        if files.failed is None:
            assert not any(isinstance(step, Trouble) for step in told)
            assert number > 20
            return
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("dies_before", [True, False])
def test_a_repair_that_is_killed_at_any_step_loses_nothing(tmp_path: Path, dies_before: bool) -> None:
    for number in range(1, 300):
        site = planted(tmp_path / str(number))
        before = all_files(site)
        came_to_its_end = run_until_it_dies(site.root, repair, number, before=dies_before)
        assert all_files(site) == before
        for lock in site.root.rglob("*.lock"):
            lock.unlink()  # two seconds would do
        assert_ends_well(site, before)
        if came_to_its_end:
            assert number > 20
            return
    raise AssertionError("it never came to its end")

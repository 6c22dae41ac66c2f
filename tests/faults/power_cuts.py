"""Every moment at which the power may fail, and for each what may be missing from the disk then."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterator, Sequence

from mailbox_d.store.boot import boot_id
from tests.faults.model_disk import Model, ModelDisk, Torn, Tree, fingerprint, paths
from tests.faults.tally import IN_FULL

EVERY_SUBSET_OF, RANDOM_SUBSETS = (8, 20) if IN_FULL else (3, 2)
"""Up to how many pending effects every subset of them is tried; how many of more are, beside all, none, all but one
and only one."""
STATES = 10**9 if IN_FULL else 60
"""How many disks are tried of one scenario; where there are more, some of them, always the same."""

NEXT_BOOT = b"fedcba98-7654-3210-fedc-ba9876543210"


def states(disk: ModelDisk, seed: str) -> Iterator[tuple[int, Tree]]:
    """The moments, as lengths of the journal, each with the disks that it may leave; equal ones once."""
    chance = random.Random(seed)
    found = [
        (cut, lost, model, chance.choice(list(Torn)))
        for cut, model in itertools.product(range(len(disk.journal) + 1), Model)
        for lost in _subsets(disk.pending(cut, model), chance)
    ]
    known: set[tuple[int, int]] = set()
    for cut, lost, model, torn in chance.sample(found, len(found)):
        if len(known) == STATES:
            return
        tree = disk.after_power_loss(cut, lost, model, torn)
        key = (cut, fingerprint(tree))
        if key not in known:
            known.add(key)
            yield cut, tree


def _subsets(pending: Sequence[int], chance: random.Random) -> Iterator[Collection[int]]:
    if len(pending) <= EVERY_SUBSET_OF:
        for size in range(len(pending) + 1):
            yield from map(set, itertools.combinations(pending, size))
        return
    yield from (set(), set(pending))
    for one in pending:
        yield from ({one}, set(pending) - {one})
    for _ in range(RANDOM_SUBSETS):
        share = chance.random()
        yield {one for one in pending if chance.random() < share}


def started_again(tree: Tree) -> ModelDisk:
    """The disk an hour later, after another boot of the machine: another process has the number of the one before."""
    disk = ModelDisk(tree)
    for path, node in paths(disk.nodes):
        if path.endswith(b".lock"):
            node.mtime_ns -= 3600 * 10**9
            node.octets[:] = bytes(node.octets).replace(boot_id(), NEXT_BOOT)
        elif path.endswith(b"/dovecot-uidlist"):
            node.mtime_ns -= 3600 * 10**9
        elif path.endswith(b"/maildirsize"):
            node.mtime_ns = 0  # which is before this machine's boot
    return disk


def cut_off_at_last(disk: ModelDisk) -> ModelDisk:
    """The disk after one more loss of power, now, with nothing on it that was not synced; started again."""
    cut = len(disk.journal)
    lost = disk.pending(cut, Model.ORDERED)
    return started_again(disk.after_power_loss(cut, lost, Model.ORDERED, Torn.NOTHING))


class LyingDisk(ModelDisk):
    """A disk that says it has synced what it has not, files or directories: to prove that a loss would be found."""

    def __init__(self, tree: Tree | None = None, *, files: bool = True, directories: bool = True) -> None:
        super().__init__(tree)
        self._syncs_files, self._syncs_directories = files, directories

    def fsync(self, descriptor: int) -> None:
        if self._syncs_files:
            super().fsync(descriptor)

    def fsync_directory(self, path: bytes) -> None:
        if self._syncs_directories:
            super().fsync_directory(path)

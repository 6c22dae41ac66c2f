"""A disk in memory behind the store's `FileSystem`, which knows what of it would survive a loss of power.

What a program did is kept as a journal of effects. The rules are those that every local file system keeps and no more:

- a file's octets are safe once the file was synced, an entry of a directory once that directory was;
- until then each may be on the disk or not, whatever was done after it; octets may also be there in part, or as zeros;
- a rename is one step: the old name is never gone from the disk without the new one being there.

`ORDERED` adds what journals give: of the changes in one directory a later one is not there without the earlier ones,
and both halves of a rename are there, or neither.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from mailbox_d.store.files import FileSystem, parent

ROOT = 1


class Model(Enum):
    """What is kept of a directory's changes that were not synced."""

    ORDERED = "ordered"
    UNORDERED = "unordered"


class Torn(Enum):
    """What is on the disk in place of octets that were not synced."""

    NOTHING = "nothing"
    HALF = "half"
    ZEROS = "zeros"


@dataclass(slots=True)
class Node:
    """An inode: a directory with entries, or a file with octets."""

    number: int
    is_directory: bool
    octets: bytearray = field(default_factory=bytearray)
    entries: dict[bytes, int] = field(default_factory=dict)
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a directory stands for a node now, or (None) for nothing."""

    directory: int
    name: bytes
    node: int | None


@dataclass(frozen=True, slots=True)
class Renamed:
    """A node has a new name and then not the old one."""

    added: Entry
    removed: Entry


@dataclass(frozen=True, slots=True)
class Wrote:
    """Octets at an offset of a file."""

    node: int
    offset: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Timed:
    """A node's time of last modification."""

    node: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Synced:
    """All that was done to the node before this is safe."""

    node: int


Effect: TypeAlias = Entry | Renamed | Wrote | Timed
Tree: TypeAlias = dict[int, Node]


def fault(number: int, path: bytes) -> OSError:
    return OSError(number, os.strerror(number), path)


class ModelDisk(FileSystem):
    """The disk while a program runs; `journal` is what it did."""

    def __init__(self, tree: Tree | None = None) -> None:
        self.nodes: Tree = tree or {ROOT: Node(ROOT, is_directory=True)}
        self.base = copied(self.nodes)
        self.journal: list[Effect | Synced] = []
        self._numbers = itertools.count(max(self.nodes) + 1)
        self._made: list[Node] = []
        """The nodes that were made since, as they were then."""
        self._files: dict[int, list[int]] = {}
        """By descriptor: the node, and the position (-1: at the end)."""
        self._descriptors = itertools.count(1000)
        self._last_ns = 0

    def open(self, path: bytes, flags: int) -> int:
        node = self._find(path)
        if node is None:
            if not flags & os.O_CREAT:
                raise fault(errno.ENOENT, path)
            node = self._make(path, is_directory=False)
        elif flags & os.O_EXCL:
            raise fault(errno.EEXIST, path)
        elif node.is_directory and flags & (os.O_WRONLY | os.O_RDWR):
            raise fault(errno.EISDIR, path)
        descriptor = next(self._descriptors)
        self._files[descriptor] = [node.number, -1 if flags & os.O_APPEND else 0]
        return descriptor

    def close(self, descriptor: int) -> None:
        del self._files[descriptor]

    def read(self, descriptor: int, offset: int, length: int) -> bytes:
        return bytes(self._file(descriptor).octets[offset : offset + length])

    def write(self, descriptor: int, data: bytes) -> None:
        node, place = self._file(descriptor), self._files[descriptor]
        offset = len(node.octets) if place[1] < 0 else place[1]
        self._do(Wrote(node.number, offset, bytes(data)))
        place[1] += len(data) if place[1] >= 0 else 0

    def fsync(self, descriptor: int) -> None:
        self.journal.append(Synced(self._files[descriptor][0]))

    def fsync_directory(self, path: bytes) -> None:
        self.journal.append(Synced(self._directory(path).number))

    def rename(self, source: bytes, destination: bytes) -> None:
        node, there = self._require(source), self._find(destination)
        if there is node:
            return
        if destination.startswith(source + b"/"):
            raise fault(errno.EINVAL, destination)
        if there is not None and there.is_directory and there.entries:
            raise fault(errno.ENOTEMPTY, destination)
        if there is not None and there.is_directory != node.is_directory:
            raise fault(errno.EISDIR if there.is_directory else errno.ENOTDIR, destination)
        removed = Entry(self._directory(parent(source)).number, _name(source), None)
        self._do(Renamed(Entry(self._directory(parent(destination)).number, _name(destination), node.number), removed))

    def rename_new(self, source: bytes, destination: bytes) -> None:
        self._require(source)
        if self._find(destination) is not None:
            raise fault(errno.EEXIST, destination)
        self.rename(source, destination)

    def link(self, source: bytes, destination: bytes) -> None:
        node = self._require(source)
        if self._find(destination) is not None:
            raise fault(errno.EEXIST, destination)
        if node.is_directory:
            raise fault(errno.EPERM, source)
        self._do(Entry(self._directory(parent(destination)).number, _name(destination), node.number))

    def link_text(self, path: bytes) -> bytes | None:
        return None  # there are none

    def unlink(self, path: bytes) -> None:
        if self._require(path).is_directory:
            raise fault(errno.EISDIR, path)
        self._do(Entry(self._directory(parent(path)).number, _name(path), None))

    def mkdir(self, path: bytes) -> None:
        if self._find(path) is not None:
            raise fault(errno.EEXIST, path)
        self._make(path, is_directory=True)

    def rmdir(self, path: bytes) -> None:
        if self._directory(path).entries:
            raise fault(errno.ENOTEMPTY, path)
        self._do(Entry(self._directory(parent(path)).number, _name(path), None))

    def chmod(self, descriptor: int, mode: int) -> None:
        self._file(descriptor)

    def try_lock(self, descriptor: int) -> bool:
        return self._file(descriptor) is not None

    def utime(self, target: int | bytes, seconds: float) -> None:
        node = self._require(target) if isinstance(target, bytes) else self._file(target)
        self._do(Timed(node.number, int(seconds * 1e9)))

    def fstat(self, descriptor: int) -> os.stat_result:
        return _status(self._file(descriptor))

    def lstat(self, path: bytes) -> os.stat_result:
        return _status(self._require(path))

    def names(self, directory: bytes) -> list[bytes]:
        return list(self._directory(directory).entries)

    def each_name(self, directory: bytes) -> Iterator[bytes]:
        yield from self.names(directory)

    def directories(self, directory: bytes) -> list[bytes]:
        entries = self._directory(directory).entries.items()
        return [name for name, number in entries if self.nodes[number].is_directory]

    def free_octets(self, path: bytes) -> int:
        return 2**40

    def _do(self, effect: Effect) -> None:
        self.journal.append(effect)
        apply(self.nodes, effect)
        for number in _touched(effect):
            self._last_ns = self.nodes[number].mtime_ns = max(self._last_ns + 1, time.time_ns())

    def _make(self, path: bytes, *, is_directory: bool) -> Node:
        above = self._directory(parent(path))
        node = Node(next(self._numbers), is_directory, mtime_ns=time.time_ns())
        self.nodes[node.number] = node
        self._made.append(Node(node.number, is_directory, mtime_ns=node.mtime_ns))
        self._do(Entry(above.number, _name(path), node.number))
        return node

    def _file(self, descriptor: int) -> Node:
        return self.nodes[self._files[descriptor][0]]

    def _find(self, path: bytes) -> Node | None:
        node = self.nodes[ROOT]
        for name in path.split(b"/"):
            if not name:
                continue
            if not node.is_directory:
                raise fault(errno.ENOTDIR, path)
            number = node.entries.get(name)
            if number is None:
                self._require_directories_above(path)
                return None
            node = self.nodes[number]
        return node

    def _require_directories_above(self, path: bytes) -> None:
        above = parent(path)
        if above != b"/" and self._find(above) is None:
            raise fault(errno.ENOENT, path)

    def _require(self, path: bytes) -> Node:
        node = self._find(path)
        if node is None:
            raise fault(errno.ENOENT, path)
        return node

    def _directory(self, path: bytes) -> Node:
        node = self._require(path)
        if not node.is_directory:
            raise fault(errno.ENOTDIR, path)
        return node

    def pending(self, cut: int, model: Model) -> list[int]:
        """What of the first `cut` steps no sync has made safe by then, by index; `~index` is a rename's second half."""
        synced: set[int] = set()
        found: list[int] = []
        for index in range(cut - 1, -1, -1):
            step = self.journal[index]
            if isinstance(step, Synced):
                synced.add(step.node)
            elif isinstance(step, Renamed) and model is Model.UNORDERED and not self._is_directory(step.added):
                found += [] if step.removed.directory in synced else [~index]
                found += [] if synced.intersection(_safe_by(step)) else [index]
            elif not synced.intersection(_safe_by(step)):
                found.append(index)
        return found[::-1]

    def _is_directory(self, entry: Entry) -> bool:
        """A directory never has two names, on no disk."""
        return entry.node is not None and self.nodes[entry.node].is_directory

    def after_power_loss(self, cut: int, lost: Collection[int], model: Model, torn: Torn) -> Tree:
        """What is on the disk when the power fails after `cut` steps, without these of what is pending."""
        tree = copied(self.base)
        tree.update(copied({node.number: node for node in self._made}))
        pending = set(self.pending(cut, model)) if model is Model.ORDERED else set[int]()
        incomplete: set[int] = set()
        for index, step in enumerate(self.journal[:cut]):
            if isinstance(step, Synced):
                continue
            follows_a_loss = index in pending and incomplete.intersection(_directories(step))
            if model is Model.ORDERED and (index in lost or follows_a_loss):
                incomplete.update(_directories(step))
            for effect in _survivors(step, index in lost, ~index in lost, torn) if not follows_a_loss else ():
                apply(tree, effect)
        return reachable(tree)


def _survivors(step: Effect, is_lost: bool, half_is_lost: bool, torn: Torn) -> Iterator[Effect]:
    """What of one step is on the disk."""
    if isinstance(step, Wrote) and is_lost:
        yield from _torn(step, torn)
    elif isinstance(step, Renamed) and half_is_lost and not is_lost:
        yield step.added
    elif not is_lost:
        yield step


def apply(tree: Tree, effect: Effect) -> None:
    """Let an effect come about."""
    match effect:
        case Renamed(added, removed):
            apply(tree, added)
            apply(tree, removed)
        case Entry(directory, name, None):
            tree[directory].entries.pop(name, None)
        case Entry(directory, name, int(node)):
            tree[directory].entries[name] = node
        case Wrote(node, offset, octets):
            held = tree[node].octets
            held.extend(bytes(max(0, offset - len(held))))
            held[offset : offset + len(octets)] = octets
        case Timed(node, mtime_ns):
            tree[node].mtime_ns = mtime_ns


def copied(tree: Tree) -> Tree:
    return {
        number: Node(number, node.is_directory, bytearray(node.octets), dict(node.entries), node.mtime_ns)
        for number, node in tree.items()
    }


def reachable(tree: Tree) -> Tree:
    """The tree without nodes that no name leads to."""
    found: Tree = {}
    waiting = [ROOT]
    while waiting:
        number = waiting.pop()
        if number not in found:
            found[number] = tree[number]
            waiting += tree[number].entries.values()
    return found


def paths(tree: Tree, number: int = ROOT, path: bytes = b"") -> Iterator[tuple[bytes, Node]]:
    """Every name in the tree with what it stands for."""
    for name, below in tree[number].entries.items():
        yield path + b"/" + name, tree[below]
        if tree[below].is_directory:
            yield from paths(tree, below, path + b"/" + name)


def fingerprint(tree: Tree) -> int:
    """Equal for trees that look the same, but for what lies in `tmp`, where no program looks for anything."""
    seen = ((path, node) for path, node in paths(tree) if b"/tmp/" not in path)
    return hash(frozenset((path, node.number, bytes(node.octets)) for path, node in seen))


def _safe_by(effect: Effect) -> Sequence[int]:
    """Each of the nodes whose sync makes an effect safe."""
    return (effect.node,) if isinstance(effect, Wrote | Timed) else _directories(effect)


def _directories(effect: Effect) -> Sequence[int]:
    match effect:
        case Entry(directory, _, _):
            return (directory,)
        case Renamed(added, removed):
            return (added.directory, removed.directory)
        case _:
            return ()


def _touched(effect: Effect) -> Iterable[int]:
    return () if isinstance(effect, Timed) else _safe_by(effect)


def _torn(step: Wrote, torn: Torn) -> Iterator[Effect]:
    half = step.octets[: len(step.octets) // 2]
    match torn:
        case Torn.HALF if half:
            yield Wrote(step.node, step.offset, half)
        case Torn.ZEROS:
            yield Wrote(step.node, step.offset, bytes(len(step.octets)))
        case _:
            return


def _name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def _status(node: Node) -> os.stat_result:
    mode = (stat.S_IFDIR | 0o700) if node.is_directory else (stat.S_IFREG | 0o600)
    seconds = node.mtime_ns // 10**9
    size = len(node.octets)
    shown = (mode, node.number, 1, 1, 0, 0, size, seconds, seconds, seconds)
    return os.stat_result((*shown, *[node.mtime_ns / 1e9] * 3, *[node.mtime_ns] * 3))

"""The floors of the house: which module may import which, proved over the syntax trees of all modules.

`FLOORS` repeats the list in `mailbox_d/__init__.py`; a package or module that stands on no floor is a fault too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FLOORS = {
    "errors": 0,
    "address": 0,
    "mutf7": 0,
    "printable": 0,
    "seldom": 0,
    "wire": 1,
    "mime": 1,
    "store": 1,
    "config": 1,
    "policy": 2,
    "queue": 2,
    "record": 2,
    "auth": 2,
    "net": 3,
    "relay": 3,
    "smtp": 4,
    "imap": 4,
    "pop3": 4,
    "app": 5,
    "realms": 5,
    "logins": 5,
    "site": 5,
    "services": 5,
    "limits": 5,
    "outgoing": 5,
    "control": 5,
    "tap": 6,
    "ctl": 6,
}

NEIGHBOURS = {("store", "mime")}
"""Rooms of one floor that may know each other: (who imports, what)."""

REACTOR = (
    "twisted.internet.reactor",
    "twisted.internet.endpoints",
    "twisted.internet.inotify",
    "twisted.internet.threads",
    "twisted.internet.epollreactor",
    "twisted.internet.task",
    "twisted.internet.process",
    "twisted.python.threadpool",
    "twisted.python.threadable",
)
REACTOR_FLOORS = range(3, 6)

LOW_TWISTED = ("twisted.internet.defer", "twisted.cred", "twisted.logger", "twisted.python.failure")
"""All of Twisted that floors 1 and 2 may use."""

PLUGIN_IMPORTS = ("twisted.application.service", "__future__")

FORBIDDEN_NAMES = ("handler", "manager", "helper", "utils")
FORBIDDEN_FILES = ("common", "misc", "util", "base")
MAX_FUNCTION_LINES = 50
MAX_FILE_LINES = 600


@dataclass(frozen=True, slots=True)
class Import:
    """One imported dotted name, and the line that imports it."""

    name: str
    line: int

    def within(self, *packages: str) -> bool:
        return any(self.name == package or self.name.startswith(package + ".") for package in packages)


def module_files(root: Path) -> list[Path]:
    return sorted((root / "mailbox_d").rglob("*.py"))


def imports_of(tree: ast.AST, path: Path, root: Path) -> Iterator[Import]:
    """Every import of a module wherever it stands, `from x import y` as `x.y`, relative ones made absolute."""
    package = path.relative_to(root).with_suffix("").parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, node.module) if node.module else above)
            yield from (Import(f"{base}.{alias.name}", node.lineno) for alias in node.names)


def room_of(dotted: str) -> str:
    """`smtp` for `mailbox_d.smtp.session`; the empty string for the package itself."""
    return dotted.split(".")[1] if "." in dotted else ""


def import_faults(root: Path) -> Iterator[str]:
    for path in module_files(root):
        here = room_of(".".join(path.relative_to(root).with_suffix("").parts))
        if here == "__init__":
            continue
        where = path.relative_to(root).as_posix()
        if here not in FLOORS:
            yield f"{where}: stands on no floor"
            continue
        for imported in imports_of(ast.parse(path.read_text()), path, root):
            for fault in faults_of_import(here, imported):
                yield f"{where}:{imported.line}: {fault}"


def faults_of_import(here: str, imported: Import) -> Iterator[str]:
    if imported.within("mailbox_d"):
        yield from faults_of_room(here, room_of(imported.name), imported)
    if imported.within(*REACTOR) and FLOORS[here] not in REACTOR_FLOORS:
        yield f"{here} touches the reactor by {imported.name}"
    elif imported.within("twisted") and FLOORS[here] in (0, 1, 2) and not imported.within(*LOW_TWISTED):
        yield f"{here} on floor {FLOORS[here]} imports {imported.name}"


def faults_of_room(here: str, there: str, imported: Import) -> Iterator[str]:
    if there in ("", "__version__", here):
        return
    if there not in FLOORS:
        yield f"{here} imports {imported.name}, which stands on no floor"
    elif FLOORS[there] > FLOORS[here]:
        yield f"{here} on floor {FLOORS[here]} imports {imported.name} from floor {FLOORS[there]}"
    elif FLOORS[there] == FLOORS[here] and FLOORS[here] > 0 and not may_be_neighbours(here, there):
        yield f"{here} imports its neighbour {imported.name}"


def may_be_neighbours(here: str, there: str) -> bool:
    """Servers never know each other and the first floor only the written pairs; elsewhere a room may look next door."""
    return (here, there) in NEIGHBOURS or FLOORS[here] in (2, 3, 5, 6)


def plugin_faults(root: Path) -> Iterator[str]:
    """twistd imports every plugin at every start, whatever it is asked to run: ours must be light."""
    for path in sorted((root / "twisted").rglob("*.py")):
        where = path.relative_to(root).as_posix()
        if path.name == "__init__.py":
            yield f"{where}: a namespace of other projects has no __init__.py"
        for imported in imports_of(ast.parse(path.read_text()), path, root):
            if not imported.within(*PLUGIN_IMPORTS):
                yield f"{where}:{imported.line}: the plugin imports {imported.name}"


def shape_faults(root: Path) -> Iterator[str]:
    for path in module_files(root):
        where, text = path.relative_to(root).as_posix(), path.read_text()
        if len(text.splitlines()) > MAX_FILE_LINES:
            yield f"{where}: has over {MAX_FILE_LINES} lines"
        if path.stem in FORBIDDEN_FILES or any(forbidden_words(path.stem)):
            yield f"{where}: this name does not say what is in it"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from (f"{where}:{node.lineno}: {node.name} is named {w}" for w in forbidden_words(node.name))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines_of(node) > MAX_FUNCTION_LINES:
                yield f"{where}:{node.lineno}: {node.name} has over {MAX_FUNCTION_LINES} lines"


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def forbidden_words(name: str) -> Iterator[str]:
    return (word for word in FORBIDDEN_NAMES if word in name.lower())


def test_imports_go_down_only() -> None:
    assert list(import_faults(ROOT)) == []


def test_plugin_imports_nothing_heavy() -> None:
    assert list(plugin_faults(ROOT)) == []


def test_names_say_what_they_are_and_functions_are_short() -> None:
    assert list(shape_faults(ROOT)) == []


def test_every_floor_is_written_in_the_package_docstring() -> None:
    written = ast.get_docstring(ast.parse((ROOT / "mailbox_d/__init__.py").read_text())) or ""
    rooms = {path.stem for path in (ROOT / "mailbox_d").iterdir() if path.suffix == ".py" or any(path.rglob("*.py"))}
    assert {room for room in rooms - {"__init__"} if room not in written} == set()


@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        ("wire/smtp/x.py", "from mailbox_d.net import session", "wire on floor 1 imports mailbox_d.net.session"),
        ("smtp/x.py", "def f():\n    from ..imap import server", "smtp imports its neighbour mailbox_d.imap.server"),
        ("imap/x.py", "import mailbox_d.smtp.shell", "imap imports its neighbour mailbox_d.smtp.shell"),
        ("store/x.py", "from mailbox_d.wire.imap import text", "store imports its neighbour mailbox_d.wire.imap.text"),
        ("config/x.py", "import mailbox_d.mime", "config imports its neighbour mailbox_d.mime"),
        ("store/x.py", "from .. import app", "store on floor 1 imports mailbox_d.app from floor 5"),
        ("policy/x.py", "from twisted.internet import reactor", "policy touches the reactor"),
        ("auth/x.py", "from twisted.internet.threads import deferToThread", "auth touches the reactor"),
        ("tap.py", "import twisted.internet.endpoints", "tap touches the reactor"),
        ("auth/x.py", "from twisted.python import usage", "auth on floor 2 imports twisted.python.usage"),
        ("errors.py", "import twisted.logger\nimport mailbox_d.address\nimport mailbox_d.store", "errors on floor 0"),
        ("attic/x.py", "", "attic/x.py: stands on no floor"),
        ("net/x.py", "import mailbox_d.attic", "which stands on no floor"),
    ],
)
def test_planted_import_is_found(tmp_path: Path, path: str, text: str, fault: str) -> None:
    planted = tmp_path / "mailbox_d" / path
    planted.parent.mkdir(parents=True)
    planted.write_text(text)
    assert [line for line in import_faults(tmp_path) if fault in line]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("store/x.py", "from mailbox_d.mime import scan\nfrom mailbox_d.store import ports\nimport sqlite3"),
        ("auth/x.py", "from twisted.internet.defer import Deferred\nfrom twisted.cred import portal"),
        ("net/x.py", "from twisted.internet import reactor, threads"),
        ("app.py", "from mailbox_d import __version__\nfrom mailbox_d.smtp import shell"),
        ("__init__.py", "__version__ = '1'"),
    ],
)
def test_lawful_import_is_no_fault(tmp_path: Path, path: str, text: str) -> None:
    lawful = tmp_path / "mailbox_d" / path
    lawful.parent.mkdir(parents=True)
    lawful.write_text(text)
    assert list(import_faults(tmp_path)) == []


def test_planted_heavy_plugin_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "twisted/plugins"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "mailboxd_plugin.py").write_text("from mailbox_d import tap")
    assert list(plugin_faults(tmp_path)) == [
        "twisted/plugins/__init__.py: a namespace of other projects has no __init__.py",
        "twisted/plugins/mailboxd_plugin.py:1: the plugin imports mailbox_d.tap",
    ]


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("net/lane_utils.py", "", "does not say what is in it"),
        ("net/common.py", "", "does not say what is in it"),
        ("net/x.py", "class LaneManager: ...", "LaneManager is named manager"),
        ("net/x.py", "async def f():\n" + "    pass\n" * 50, "f has over 50 lines"),
        ("net/x.py", "\n" * 601, "has over 600 lines"),
    ],
)
def test_planted_shape_is_found(tmp_path: Path, name: str, text: str, fault: str) -> None:
    planted = tmp_path / "mailbox_d" / name
    planted.parent.mkdir(parents=True)
    planted.write_text(text)
    assert [line for line in shape_faults(tmp_path) if fault in line]

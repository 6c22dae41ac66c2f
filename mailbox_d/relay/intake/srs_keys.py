"""The keys of rewritten senders (`policy/srs`): one a line, the first signs, all verify.

An operator who wants a new key puts it above the others, and removes those after three weeks.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from mailbox_d.errors import StorageFault
from mailbox_d.store.files import FileSystem, forget, parent, read_whole, storage_faults, write_new

FILE_NAME = "srs.key"
"""Below `storage.state`."""

LEAST_OCTETS = 16
"""Of a key: what is shorter could be found from a single address by trying."""

_LARGEST_FILE = 64 * 1024
_KEYS_AT_MOST = 10


@storage_faults
def read_or_make_keys(path: Path, files: FileSystem | None = None) -> tuple[bytes, ...]:
    """The keys; where there is no file one is made, for the daemon's eyes alone. Blocks. Raises `StorageFault`."""
    files, name = files or FileSystem(), os.fsencode(path)
    content = read_whole(files, name, _LARGEST_FILE)
    if content is None:
        _make(files, name)
        content = read_whole(files, name, _LARGEST_FILE)
    keys = parse_keys(content or b"")
    if not keys:
        raise StorageFault("Senders cannot be rewritten now", cause=f"there is no key in {path}")
    return keys


def parse_keys(text: bytes) -> tuple[bytes, ...]:
    """The keys of a file; empty lines, comments and what is too short to be a key are passed over."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if len(line) >= LEAST_OCTETS and not line.startswith(b"#"))[:_KEYS_AT_MOST]


def _make(files: FileSystem, name: bytes) -> None:
    """Put a whole file in its place, durable before an address is made with it; one that came meanwhile stays."""
    draft = b"%s.%s" % (name, secrets.token_hex(4).encode())
    write_new(files, draft, secrets.token_hex(32).encode() + b"\n")
    try:
        with suppress(FileExistsError):
            files.link(draft, name)
    finally:
        forget(files, draft)
    files.fsync_directory(parent(name))

"""A small file of the state folder, replaced whole: after a crash it is the old one or the new one."""

from __future__ import annotations

from mailbox_d.store.files import FileSystem, forget, parent, write_new


def replace_file(files: FileSystem, path: bytes, content: bytes) -> None:
    """Put a file in the place of the one that may be there, durable. Blocks; one call for a path at a time. Raises
    `OSError`."""
    beside = path + b"~"
    forget(files, beside)
    write_new(files, beside, content)
    try:
        files.rename(beside, path)
    except OSError:
        forget(files, beside)
        raise
    files.fsync_directory(parent(path))

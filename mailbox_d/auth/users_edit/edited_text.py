"""A text with a change made in it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from mailbox_d.auth.users_edit import block_style, flow_style
from mailbox_d.auth.users_edit.block_style import Cut
from mailbox_d.auth.users_edit.changes import Append, CannotEdit, Change, Put, Remove, changed
from mailbox_d.auth.users_edit.places import AnyPlace, ListPlace, MappingPlace, Place, entry_at, find_places, place_at
from mailbox_d.auth.users_edit.rendering import in_line, scalar
from mailbox_d.config.faults import ConfigurationError, KeyPath
from mailbox_d.config.source import DEFAULT_LIMITS, DocumentLimits, Plain, parse_document


def edited(text: str, *changes: Change, limits: DocumentLimits = DEFAULT_LIMITS) -> str:
    """The text after changes, one after the other, which then says what it said, changed so, and nothing else.

    Raises `CannotEdit` where the text is laid out so that this cannot be done, `ConfigurationError` where it cannot be
    read.
    """
    return edited_from(text, value_of(text, limits), changes, limits)


def edited_from(text: str, value: Plain, changes: Sequence[Change], limits: DocumentLimits) -> str:
    """The same where it is known what the text says. It is read once again, however many changes there are."""
    meant = changed(value, changes)
    root, before = None, None
    for change in changes:
        if root is None or not _leaves_place(before, change):
            root = find_places(text)
        for cut in sorted(_cuts(text, root, change), key=lambda cut: cut.start, reverse=True):
            text = text[: cut.start] + cut.new + text[cut.end :]
        before = change
    if _said(text, limits) != meant:
        raise CannotEdit("the file is laid out so that this cannot be changed safely: change it by hand")
    return text


def _leaves_place(before: Change | None, change: Change) -> bool:
    """Whether one change leaves what the next one is about in its place: an item that stood before a removed one."""
    if not isinstance(before, Remove) or not isinstance(change, Remove) or before.path[:-1] != change.path[:-1]:
        return False
    behind, index = before.path[-1], change.path[-1]
    return isinstance(behind, int) and isinstance(index, int) and index < behind


def _said(text: str, limits: DocumentLimits) -> Plain:
    try:
        return value_of(text, limits)
    except ConfigurationError:
        return None


def value_of(text: str, limits: DocumentLimits) -> Plain:
    """What a text says. Raises `ConfigurationError`."""
    document = parse_document(text, "", limits)
    if document.faults:
        raise ConfigurationError(document.faults)
    return document.value


def _cuts(text: str, root: AnyPlace, change: Change) -> list[Cut]:
    if isinstance(change, Append):
        return _append(text, place_at(root, change.path), change.values)
    if isinstance(change, Remove):
        return _remove(text, root, change.path)
    above, key = place_at(root, change.path[:-1]), str(change.path[-1])
    if not isinstance(above, MappingPlace):
        raise CannotEdit("there is nothing at this place of the file")
    return _replace(text, root, change) if key in above.entries else _add(text, root, above, change)


def _append(text: str, items: AnyPlace, values: Sequence[Plain]) -> list[Cut]:
    if not isinstance(items, ListPlace):
        raise CannotEdit("there is nothing at this place of the file")
    if items.flow:
        return flow_style.add(text, items, ", ".join(map(in_line, values)))
    return block_style.append_items(text, items, values)


def _add(text: str, root: AnyPlace, mapping: MappingPlace, change: Put) -> list[Cut]:
    """A key that is not there yet."""
    key, value = str(change.path[-1]), change.value
    if not mapping.flow:
        return block_style.add_entry(text, root, mapping, key, value)
    owner = entry_at(root, change.path[:-1]) if not mapping.entries and len(change.path) > 1 else None
    above = place_at(root, change.path[:-2]) if owner is not None else None
    if owner is not None and isinstance(above, MappingPlace) and not above.flow:
        cuts = block_style.fill_empty(text, root, owner, key, value)
        if cuts is not None:
            return cuts
    return flow_style.add(text, mapping, f"{scalar(key)}: {in_line(value)}")


def _replace(text: str, root: AnyPlace, change: Put) -> list[Cut]:
    """The value of a key that is there."""
    entry, new = entry_at(root, change.path), in_line(change.value)
    value = entry.value
    if isinstance(value, MappingPlace | ListPlace) and not value.flow:
        return block_style.put_behind_key(text, entry, new)
    space = "" if text[value.start - 1 : value.start].isspace() else " "
    return [Cut(value.start, value.end, space + new)]


def _remove(text: str, root: AnyPlace, path: KeyPath) -> list[Cut]:
    above, last = place_at(root, path[:-1]), path[-1]
    if not isinstance(above, MappingPlace | ListPlace):
        raise CannotEdit("there is nothing at this place of the file")
    parts: list[Place] = list(flow_style.parts_of(above))
    index = last if isinstance(last, int) else parts.index(entry_at(root, path))
    if above.flow:
        return flow_style.remove(text, above, index)
    if len(parts) == 1:
        return _empty(text, root, path[:-1], above)
    if isinstance(above, ListPlace):
        return block_style.remove_item(text, above, index)
    return [block_style.remove_lines(text, parts[index].start, parts[index].end)]


def _empty(text: str, root: AnyPlace, path: KeyPath, block: MappingPlace | ListPlace) -> list[Cut]:
    """A block that loses its only part becomes an empty one in flow style."""
    if not path or isinstance(path[-1], int):
        raise CannotEdit("nothing would be left: change it by hand")
    behind, below = block_style.put_behind_key(
        text, entry_at(root, path), "[]" if isinstance(block, ListPlace) else "{}"
    )
    lines = block_style.remove_lines(text, block.start, block.end)
    return [behind, Cut(max(behind.end, lines.start), max(below.end, lines.end))]

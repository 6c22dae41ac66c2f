"""Header fields in raw header octets (RFC 5322 section 2.2): split, unfolded, selected."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def split_fields(header: bytes, wanted: Mapping[bytes, str]) -> dict[str, bytes]:
    """The values of the wanted fields, unfolded and stripped; of several fields of one name, the first.

    `wanted`: names in lower case, and what each is called in the answer. A line ends with LF, CR before it or not.
    """
    values: dict[str, bytes] = {}
    pieces: list[bytes] = []
    current = None
    for line in header.split(b"\n"):
        if line[:1] in (b" ", b"\t"):
            if current is not None:
                pieces.append(line.rstrip(b"\r"))
            continue
        if current is not None:
            values[current] = b"".join(pieces).strip()
            current = None
        name, colon, value = line.partition(b":")
        if colon:
            called = wanted.get(name.rstrip(b" \t").lower())
            if called is not None and called not in values:
                current, pieces = called, [value.rstrip(b"\r")]
    if current is not None:
        values[current] = b"".join(pieces).strip()
    return values


def select_fields(header: bytes, names: Collection[bytes], *, others: bool = False) -> bytes:
    """The fields with these names as they stand, in their order, and the empty line that ends them.

    For HEADER.FIELDS, and with `others` for HEADER.FIELDS.NOT (RFC 3501 section 6.4.5). Case does not matter in names.
    Lines that are no field go with the field above them.
    """
    wanted = {name.lower() for name in names}
    chosen = []
    taken = False
    for line in _lines(header):
        if line in (b"\r\n", b"\n"):
            break
        if line[:1] not in (b" ", b"\t"):
            name, colon, _ = line.partition(b":")
            if colon:
                taken = (name.rstrip(b" \t").lower() in wanted) is not others
        if taken:
            chosen.append(line)
    if chosen and not chosen[-1].endswith(b"\n"):
        chosen.append(b"\r\n")
    chosen.append(b"\r\n")
    return b"".join(chosen)


def _lines(header: bytes) -> list[bytes]:
    """Lines with their ends; only LF ends a line, a bare CR does not."""
    lines = header.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])

"""Text of strangers and operators made fit to be shown: printable, on one line, not too long."""

from __future__ import annotations

LOGGED = 300
"""Characters of one stranger's text in a line of the log."""


def escaped(text: str) -> str:
    """Text with all that cannot be printed escaped, so that it stays on its line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def one_line(text: object, most: int = LOGGED) -> str:
    """Text of which at most `most` characters are kept, then escaped; a mark tells that there was more."""
    whole = str(text)
    return escaped(whole if len(whole) <= most else whole[: most - 1] + "…")

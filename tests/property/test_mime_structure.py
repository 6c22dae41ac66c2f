"""A tree of parts that is written as a message is found in it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.mime.scanner import scan
from mailbox_d.mime.structure import Part, section


@dataclass(frozen=True)
class Leaf:
    body: bytes


@dataclass(frozen=True)
class Multipart:
    children: tuple[Tree, ...]
    preamble: bytes
    epilogue: bytes


@dataclass(frozen=True)
class Attached:
    subject: bytes
    inside: Tree


Tree: TypeAlias = Leaf | Multipart | Attached

lines = st.lists(st.sampled_from([b"", b"text", b"--", b"--b", b"-- b0", b"--b0x", b"Content-Type: x/y", b"\xff\x00"]))
texts = lines.map(b"\r\n".join)
leaves = texts.map(Leaf)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Multipart, st.lists(inner, min_size=1, max_size=4).map(tuple), texts, texts),
        st.builds(Attached, st.sampled_from([b"one", b"two  words", b"=?utf-8?q?x?="]), inner),
    ),
    max_leaves=12,
)


def written(tree: Tree, depth: int = 0) -> bytes:
    """Header and body; each depth has a boundary of its own, which no text has as a line."""
    match tree:
        case Leaf(body):
            return b"Content-Type: text/html\r\n\r\n" + body
        case Attached(subject, inside):
            return b"Content-Type: message/rfc822\r\n\r\nSubject: %b\r\n" % subject + written(inside, depth + 1)
        case Multipart(children, preamble, epilogue):
            boundary = b"b%d" % depth
            parts = b"".join(b"\r\n--%b\r\n%b" % (boundary, written(child, depth + 1)) for child in children)
            header = b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n' % boundary
            return header + preamble + parts + b"\r\n--%b--\r\n" % boundary + epilogue


def check(tree: Tree, part: Part, message: bytes) -> None:
    body = message[part.body_start : part.body_end]
    match tree:
        case Leaf(expected):
            assert (part.type, part.subtype, body) == (b"text", b"html", expected)
            assert message[part.header_start : part.body_start].endswith(b"Content-Type: text/html\r\n\r\n")
        case Attached(subject, inside):
            assert (part.type, part.subtype) == (b"message", b"rfc822")
            assert part.message is not None and part.message.envelope is not None
            assert part.message.envelope.subject == subject
            assert (part.message.header_start, part.message.body_end) == (part.body_start, part.body_end)
            check(inside, part.message, message)
        case Multipart(children, preamble, epilogue):
            assert part.is_multipart
            assert body.startswith(preamble) and body.endswith(epilogue)
            for number, (child, found) in enumerate(zip(children, part.children, strict=True), 1):
                if part.envelope is not None:
                    assert section(part, [number]) is found
                check(child, found, message)


@given(trees)
def test_a_written_tree_is_found_again(tree: Tree) -> None:
    message = written(tree)
    check(tree, scan([message]), message)

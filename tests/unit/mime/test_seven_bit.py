"""Messages in 7 bits: what they say is what they said."""

from __future__ import annotations

import email
import re
from collections.abc import Callable
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailbox_d.mime.decode import decoded
from mailbox_d.mime.scanner import scan_whole
from mailbox_d.mime.seven_bit import NotConvertible, converted
from mailbox_d.mime.structure import MimeLimits, Part

GOLDEN = sorted((Path(__file__).parents[2] / "golden" / "mime").glob("*.eml"))


def reader(message: bytes) -> Callable[[int, int], bytes]:
    return lambda place, length: message[place : place + length]


def convert(message: bytes, limits: MimeLimits | None = None) -> bytes:
    return b"".join(converted(len(message), reader(message), limits))


def convert_lines(*lines: bytes) -> bytes:
    """A message of these lines, in 7 bits, again as lines without their ends joined by LF."""
    return convert(b"".join(line + b"\r\n" for line in lines)).replace(b"\r\n", b"\n")


Summary = tuple[bytes, bytes, bytes, tuple["Summary", ...]]  # type: ignore[misc]


def summary(part: Part, message: bytes) -> Summary:
    """What a message is made of, without regard to transfer encodings, by our own reader."""
    within = part.children or ((part.message,) if part.message else ())
    content = b"" if within else b"".join(decoded(part, reader(message)))
    return part.type, part.subtype, content, tuple(summary(inner, message) for inner in within)


def test_text_is_quoted_and_stays_readable() -> None:
    assert convert_lines(
        b"Subject: x",
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=iso-8859-1",
        b"Content-Transfer-Encoding: 8bit",
        b"X-Last: y",
        b"",
        b"Gr\xfc\xdfe und mehr, in einer Zeile",
        b".",
        b"a=b ",
    ) == (
        b"Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\n"
        b"Content-Transfer-Encoding: quoted-printable\nX-Last: y\n\n"
        b"Gr=FC=DFe und mehr, in einer Zeile\n=2E\na=3Db=20\n"
    )


def test_what_is_no_mime_yet_becomes_mime() -> None:
    assert convert_lines(b"Subject: x", b"", b"Gr\xfc\xdfe und Weiteres") == (
        b"Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n"
        b"Content-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe und Weiteres\n"
    )


def test_text_that_would_be_unreadable_is_in_base64() -> None:
    said = convert_lines(b"Content-Type: text/plain; charset=utf-8", b"MIME-Version: 1.0", b"", "Привет".encode())
    assert said.endswith(b"Content-Transfer-Encoding: base64\n\n0J/RgNC40LLQtdGCDQo=\n")


def test_several_encodings_become_one_and_labels_are_lowered() -> None:
    said = convert_lines(
        b"MIME-Version: 1.0",
        b"Content-Type: multipart/mixed; boundary=b",
        b"CONTENT-TRANSFER-ENCODING: (a",
        b"\tcomment) 8bit",
        b"",
        b"pr\xe9amble",
        b"--b",
        b"Content-Transfer-Encoding: binary",
        b"",
        b"plain",
        b"--b",
        b"Content-Type: application/x; name=y",
        b"Content-Transfer-Encoding: 8bit",
        b"Content-Transfer-Encoding: 7bit",
        b"",
        b"\x00\xff",
        b"--b--",
        b"\xe9pilogue",
    )
    assert said == (
        b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\n"
        b"pr?amble\n--b\nContent-Transfer-Encoding: 7bit\n\nplain\n--b\n"
        b"Content-Type: application/x; name=y\nContent-Transfer-Encoding: base64\n\nAP8=\n--b--\n?pilogue\n"
    )


def test_a_message_within_is_converted_within() -> None:
    said = convert_lines(
        b"Content-Type: message/rfc822",
        b"Content-Transfer-Encoding: 8bit",
        b"",
        b"Subject: inner",
        b"",
        b"Gr\xfc\xdfe an alle Leser",
    )
    assert said == (
        b"Content-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\n"
        b"Subject: inner\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n"
        b"Content-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe an alle Leser\n"
    )


SIGNED = [
    b"Content-Type: multipart/signed; boundary=b; protocol=x/y; micalg=z",
    b"",
    b"--b",
    b"Content-Transfer-Encoding: 8bit",
    b"",
    b"text",
    b"--b--",
]


def test_what_is_signed_and_can_go_is_not_touched() -> None:
    long = [*SIGNED[:5], b"x" * 2000, *SIGNED[5:]]
    for lines in (SIGNED, long):
        assert convert_lines(*lines).splitlines() == lines


def test_what_is_signed_or_encrypted_is_not_converted() -> None:
    lines = [*SIGNED[:5], b"\xe9", *SIGNED[5:]]
    assert refusal(*lines) == "5.6.3"
    assert refusal(*(line.replace(b"signed", b"encrypted") for line in lines)) == "5.6.3"


def refusal(*lines: bytes, limits: MimeLimits | None = None) -> str:
    with pytest.raises(NotConvertible) as caught:
        convert(b"".join(line + b"\r\n" for line in lines), limits)
    return caught.value.status


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Type: message/delivery-status", b"", b"\xe9"],
        [b"Content-Type: message/rfc822", b"Content-Transfer-Encoding: base64", b"", b"\xe9"],
        [b"Content-Type: multipart/mixed", b"", b"\xe9"],
        [b"Content-Transfer-Encoding: x-mine", b"", b"\xe9"],
    ],
)
def test_parts_that_take_no_encoding(lines: list[bytes]) -> None:
    assert refusal(*lines) == "5.6.3"


def test_a_header_in_eight_bits_is_not_converted() -> None:
    assert refusal("Subject: é".encode(), b"", b"x") == "5.6.7"
    assert refusal(b"Content-Type: message/rfc822", b"", b"Subject: \xe9", b"", b"x") == "5.6.7"


def test_attack_97_what_is_not_understood_is_not_converted() -> None:
    deep = []
    for level in range(5):
        deep += [b"Content-Type: multipart/mixed; boundary=%d" % level, b"", b"--%d" % level]
    assert refusal(*deep, b"", b"\xe9", limits=MimeLimits(depth=4)) == "5.6.3"
    many = [b"Content-Type: multipart/mixed; boundary=b", b"", *[b"--b", b"", b"\xe9"] * 10]
    assert refusal(*many, limits=MimeLimits(parts=5)) == "5.6.3"
    large = [b"X: " + b"x" * 2000, b"", b"\xe9"]
    assert refusal(*large, limits=MimeLimits(header_kept=1000)) == "5.6.3"
    headers = [b"Content-Type: multipart/mixed; boundary=b", b"", *[b"--b", b"X: " + b"x" * 500, b"", b"\xe9"] * 9]
    assert refusal(*headers, limits=MimeLimits(headers_kept=3000)) == "5.6.3"


def test_a_line_that_is_broken_is_never_a_delimiter() -> None:
    dashes = b"--b" + b"-" * 100
    message = [
        b"Content-Type: multipart/mixed; boundary=b",
        b"",
        b"--b",
        b"",
        b"x" * 75 + b"--b",
        b"\xe9" + b"y" * 73 + b"--b--",
        b"z" * 74 + dashes,
        b"--b--",
    ]
    octets = b"".join(line + b"\r\n" for line in message)
    said = convert(octets)
    assert summary(scan_whole(said), said) == summary(scan_whole(octets), octets)
    assert b"=\r\n--" not in said


def in_eight_bits(message: bytes) -> bytes:
    """The same message with an octet above 127 for each `e` of a body."""
    octets = bytearray(message)
    waiting = [scan_whole(message)]
    while waiting:
        part = waiting.pop()
        within = part.children or ((part.message,) if part.message else ())
        if not within:
            octets[part.body_start : part.body_end] = octets[part.body_start : part.body_end].replace(b"e", b"\xe9")
        waiting.extend(within)
    return bytes(octets)


@pytest.mark.parametrize("make", [bytes, in_eight_bits])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_odd_messages_say_the_same_or_are_refused(path: Path, make: Callable[[bytes], bytes]) -> None:
    message = make(path.read_bytes())
    try:
        said = convert(message)
    except NotConvertible:
        return
    assert said.isascii()
    assert summary(scan_whole(said), said) == summary(scan_whole(message), message)


def test_most_odd_messages_are_not_refused() -> None:
    refused = [path.stem for path in GOLDEN if _is_refused(in_eight_bits(path.read_bytes()))]
    assert len(refused) * 4 < len(GOLDEN), refused


def _is_refused(message: bytes) -> bool:
    try:
        convert(message)
    except NotConvertible:
        return True
    return False


LINES = st.lists(
    st.one_of(
        st.binary(max_size=30).map(lambda line: re.sub(rb"[\r\n\0]", b"", line)),
        st.sampled_from(
            [b"", b".", b"--", b"From x", b"=", b"x" * 1200, b"\xe9" * 400, b"end ", b"--0", b" \t", b"-" * 200]
        ),
    ),
    max_size=8,
)
BODIES = LINES.map(lambda lines: b"".join(line + b"\r\n" for line in lines))
LABELS = st.sampled_from([b"", b"Content-Transfer-Encoding: 8bit\r\n", b"Content-transfer-encoding:\r\n binary\r\n"])
LEAVES = st.builds(
    lambda kind, label, body: b"Content-Type: %s\r\n%s\r\n%s" % (kind, label, body),
    st.sampled_from([b"text/plain; charset=utf-8", b"text/html", b"application/octet-stream", b"image/png"]),
    LABELS,
    BODIES | st.binary(max_size=200).filter(lambda body: b"\n--" not in body and not body.startswith(b"--")),
)


def multipart(parts: list[bytes], label: bytes, kind: bytes, level: list[int] = [0]) -> bytes:  # noqa: B006
    level[0] += 1
    boundary = b"=_%d_'" % level[0]
    inner = b"".join(b"\r\n--%s\r\n%s" % (boundary, part) for part in parts)
    return b'Content-Type: multipart/%s; boundary="%s"\r\n%s\r\nvorl\xe4ufig%s\r\n--%s--\r\n' % (
        kind,
        boundary,
        label,
        inner,
        boundary,
    )


TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(multipart, st.lists(inner, min_size=1, max_size=3), LABELS, st.sampled_from([b"mixed", b"related"])),
        st.builds(
            lambda label, part: b"Content-Type: message/rfc822\r\n%s\r\nSubject: x\r\n%s" % (label, part), LABELS, inner
        ),
    ),
    max_leaves=6,
)


def payloads(message: Message) -> list[tuple[str, object]]:
    """Types and contents of all parts, as Python's library reads them."""
    return [
        (part.get_content_type(), None if part.is_multipart() else part.get_payload(decode=True))
        for part in message.walk()
    ]


@settings(max_examples=300)
@given(TREES)
def test_python_s_library_finds_the_same_in_both(tree: bytes) -> None:
    message = b"Subject: x\r\nMIME-Version: 1.0\r\n" + tree
    said = convert(message)
    assert said.isascii()
    assert b"\0" not in said
    before, after = (payloads(email.message_from_bytes(octets)) for octets in (message, said))
    assert [kind for kind, _ in after] == [kind for kind, _ in before]
    for (_, told), (_, wanted) in zip(after, before, strict=True):
        assert told == wanted or (wanted and isinstance(told, bytes) and told.rstrip(b"\r\n") == wanted.rstrip(b"\r\n"))
    assert summary(scan_whole(said), said) == summary(scan_whole(message), message)


@pytest.mark.parametrize("content", [b"a\0b\r\n", b"a\rb\r\n", b"x" * 999 + b"\r\n", b"a\0b\r\n" * 50_000])
def test_what_no_line_of_text_may_hold_is_encoded_though_it_is_ascii(content: bytes) -> None:
    said = convert(b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" + content)
    encoding, _, body = said.partition(b"\r\n\r\n")
    assert encoding.endswith(b"quoted-printable" if content.startswith(b"x") else b"base64")
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert summary(scan_whole(said), said)[2] == content


def test_a_large_line_goes_in_pieces_and_the_message_is_never_held() -> None:
    message = b"Content-Type: text/plain\r\n\r\n" + b"x" * 300_000 + b"\xe9" + b"--b" * 60_000 + b"\r\n"
    longest = 0

    def read(place: int, length: int) -> bytes:
        nonlocal longest
        longest = max(longest, length)
        return message[place : place + length]

    pieces = list(converted(len(message), read))
    said = b"".join(pieces)
    assert longest <= 64 * 1024
    assert max(map(len, pieces)) < 4 * 64 * 1024
    assert max(map(len, said.split(b"\r\n"))) <= 76
    assert summary(scan_whole(said), said)[2] == message.partition(b"\r\n\r\n")[2]


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            b"Content-Type: multipart/mixed; boundary=b\r\n",
            b"Content-Type: multipart/digest; boundary=c\r\n",
            b"Content-Type: multipart/signed; boundary=d\r\n",
            b"Content-Type: message/rfc822\r\n",
            b"Content-Type: text/plain\r\n",
            b"Content-Transfer-Encoding: 8bit\r\n",
            b"Content-Transfer-Encoding: quoted-printable\r\n",
            b"Content-Transfer-Encoding: base64\r\n",
            b"\r\n",
            b"\r\n\r\n",
            b"--b\r\n",
            b"--b--\r\n",
            b"--c\r\n",
            b"--d\r\n",
            b"--d--",
            b"\r",
            b"\n",
            b" ",
            b"\xe9",
            b"=\r\n",
            b"text",
            b"dGV4dA==",
            b"\0",
        ]
    ),
    max_size=25,
).map(b"".join)


@settings(max_examples=300)
@given(FRAGMENTS)
def test_any_octets_are_converted_or_refused(message: bytes) -> None:
    try:
        said = convert(message)
    except NotConvertible:
        return
    assert said.isascii()
    before, after = (summary(scan_whole(octets), octets) for octets in (message, said))
    assert after == before

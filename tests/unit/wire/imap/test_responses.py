"""Responses, and that no content can split one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.wire.imap import responses
from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.fetch import BodySection, Section, SectionText
from mailbox_d.wire.imap.responses import Completion, Condition


@pytest.mark.parametrize(
    ("octets", "written"),
    [
        (b"", b'""'),
        (b"a b", b'"a b"'),
        (b'a"b\\c', b'"a\\"b\\\\c"'),
        (b"a\r\nb", b"{4}\r\na\r\nb"),
        (b"\xc3\xbc", b"{2}\r\n\xc3\xbc"),
        (b"x" * 1001, b"{1001}\r\n" + b"x" * 1001),
    ],
)
def test_strings(octets: bytes, written: bytes) -> None:
    assert responses.string(octets) == written


@pytest.mark.parametrize(
    ("octets", "written"),
    [(b"INBOX", b"INBOX"), (b"a b", b'"a b"'), (b"", b'""'), (b"nil", b'"nil"'), (b"a]", b'"a]"'), (b"a*", b'"a*"')],
)
def test_astrings(octets: bytes, written: bytes) -> None:
    assert responses.astring(octets) == written


def test_nil_is_no_string() -> None:
    assert responses.nstring(None) == b"NIL"
    assert responses.nstring(b"NIL") == b'"NIL"'


def test_mailbox_names_are_in_modified_utf7() -> None:
    assert responses.mailbox("Entwürfe") == b"Entw&APw-rfe"
    assert responses.mailbox('a "b"') == b'"a \\"b\\""'


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Entwürfe", '"Entwürfe"'.encode()),
        ('ü "\\', b'"\xc3\xbc \\"\\\\"'),
        ("a&b", b"a&b"),
        ("a b", b'"a b"'),
        ("nil", b'"nil"'),
        ("", b'""'),
        ("ü" * 501, b"{1002}\r\n" + b"\xc3\xbc" * 501),
        ("ü\r\n", b"{4}\r\n\xc3\xbc\r\n"),
    ],
)
def test_mailbox_names_in_utf_8(name: str, written: bytes) -> None:
    assert responses.mailbox(name, utf8=True) == written
    assert responses.status(name, [], utf8=True) == b"* STATUS %b ()\r\n" % written
    assert responses.listed(b"LIST", [], name, utf8=True) == b'* LIST () "/" %b\r\n' % written


def test_flags_are_in_order() -> None:
    assert responses.flag_list(frozenset({r"\Seen", "work", "$Junk"})) == b"($Junk \\Seen work)"
    assert responses.flag_list(frozenset()) == b"()"


@pytest.mark.parametrize("keyword", ["a)b", "a\r\nb", "a b", 'a"b', "ü", "", "a]", "a{5}", "\\", "a\\b", "\x00"])
def test_attack_67_a_keyword_that_imap_cannot_say_is_left_out(keyword: str) -> None:
    assert responses.flag_list(frozenset({keyword, r"\Seen"})) == b"(\\Seen)"


@pytest.mark.parametrize("name", ["a\r\n* BYE", 'a") "b', "a)b", "a{5}", "\x00", "a\u2028b"])
def test_attack_67_a_mailbox_name_cannot_split_a_response(name: str) -> None:
    line = responses.listed(b"LIST", (), name)
    assert line.count(b"\r\n") == 1
    cursor = Cursor(line.removeprefix(b'* LIST () "/" ').removesuffix(b"\r\n"))
    assert cursor.astring() == responses.to_wire(name)
    cursor.end()


@given(st.text())
def test_attack_67_text_is_one_line_of_ascii_and_no_response_code(text: str) -> None:
    line = responses.tagged(b"a", Completion(Condition.NO, text))
    assert line.startswith(b"a NO ")
    assert line.endswith(b"\r\n")
    assert all(0x20 <= octet < 0x7F for octet in line[:-2])
    assert line[5:6] != b"["


@given(st.binary())
def test_attack_67_a_string_is_read_back_as_it_was(octets: bytes) -> None:
    written = responses.string(octets)
    if written.startswith(b'"'):
        cursor = Cursor(written)
        assert cursor.string() == octets
        cursor.end()
    else:
        assert written == b"{%d}\r\n%b" % (len(octets), octets)


def test_status_responses() -> None:
    assert responses.tagged(b"a1", Completion(Condition.OK, "Done", b"READ-ONLY")) == b"a1 OK [READ-ONLY] Done\r\n"
    assert responses.untagged(Condition.BYE, "Bye") == b"* BYE Bye\r\n"
    assert responses.continuation(b"") == b"+ \r\n"


def test_numbers() -> None:
    assert responses.search([]) == b"* SEARCH\r\n"
    assert responses.search([1, 20]) == b"* SEARCH 1 20\r\n"
    assert responses.status("INBOX", [(b"MESSAGES", 3)]) == b"* STATUS INBOX (MESSAGES 3)\r\n"


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        (BodySection(Section()), b"BODY[]"),
        (BodySection(Section((1, 2), SectionText.MIME), peek=True), b"BODY[1.2.MIME]"),
        (BodySection(Section(text=SectionText.HEADER), partial=(5, 10)), b"BODY[HEADER]<5>"),
        (
            BodySection(Section((1,), SectionText.HEADER_FIELDS, (b"To", b"a b"))),
            b'BODY[1.HEADER.FIELDS (To "a b")]',
        ),
        (BodySection(Section(), name=b"RFC822"), b"RFC822"),
    ],
)
def test_sections_are_named_as_they_were_asked_for(attribute: BodySection, name: bytes) -> None:
    assert responses.section_name(attribute) == name


def test_uids_of_new_messages_are_told_as_sets_in_the_same_order() -> None:
    assert responses.append_uid(7, 3) == b"APPENDUID 7 3"
    assert responses.copy_uid(7, {1: 5, 2: 6, 3: 7, 9: 8}) == b"COPYUID 7 1:3,9 5:8"

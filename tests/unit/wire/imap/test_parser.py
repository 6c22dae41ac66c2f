"""Commands, from octets to values."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.errors import MailboxNameError, MailError
from mailbox_d.wire.imap import commands
from mailbox_d.wire.imap.commands import Command, StatusItem, StoreMode
from mailbox_d.wire.imap.cursor import Cursor, GrammarLimits
from mailbox_d.wire.imap.errors import BadCharset, BadSyntax, TooMuchAsked, UnknownCommand
from mailbox_d.wire.imap.fetch import BodySection, FetchItem, Section, SectionText
from mailbox_d.wire.imap.parser import parse_command, parse_tag, parse_verb
from mailbox_d.wire.imap.search import (
    All,
    And,
    Before,
    Body,
    Clock,
    HasFlag,
    Header,
    Larger,
    Not,
    Numbers,
    On,
    Or,
    SearchKey,
    Smaller,
    Text,
    Uids,
)
from mailbox_d.wire.imap.sequence import STAR, SequenceSet

ONE = SequenceSet(((1, 1),))
SEEN = HasFlag(r"\Seen")


def parse(text: bytes, *literals: bytes) -> Command:
    return parse_command(text, 0, literals)


@pytest.mark.parametrize(
    ("text", "literals", "command"),
    [
        (b"CAPABILITY", (), commands.Capability()),
        (b"noop", (), commands.Noop()),
        (b"STARTTLS", (), commands.StartTls()),
        (b"AUTHENTICATE plain", (), commands.Authenticate("PLAIN")),
        (b"AUTHENTICATE PLAIN AGEAYg==", (), commands.Authenticate("PLAIN", b"AGEAYg==")),
        (b"AUTHENTICATE PLAIN =", (), commands.Authenticate("PLAIN", b"=")),
        (b'LOGIN ann "se\\"cr\\\\et"', (), commands.Login(b"ann", b'se"cr\\et')),
        (b"LOGIN \0 \0", (b"ann", b"a\r\n\xff"), commands.Login(b"ann", b"a\r\n\xff")),
        (b'LOGIN ann "\xc3\xbc"', (), commands.Login(b"ann", b"\xc3\xbc")),
        (b"LOGIN ann sec]ret", (), commands.Login(b"ann", b"sec]ret")),
        (b"ID NIL", (), commands.Id()),
        (b"ID ()", (), commands.Id()),
        (b'ID ("name" "x" "version" NIL)', (), commands.Id(((b"name", b"x"), (b"version", None)))),
        (b"SELECT InBoX", (), commands.Select("INBOX")),
        (b'EXAMINE "inbox/Sub"', (), commands.Examine("INBOX/Sub")),
        (b"CREATE Entw&APw-rfe", (), commands.Create("Entwürfe")),
        (b"CREATE a (USE ())", (), commands.Create("a")),
        (b"create a (use (\\Archive))", (), commands.Create("a", (b"\\Archive",))),
        (b"CREATE a (USE (\\drafts \\X-y))", (), commands.Create("a", (b"\\drafts", b"\\X-y"))),
        (b"DELETE \0", (b"a b",), commands.Delete("a b")),
        (b"RENAME a b", (), commands.Rename("a", "b")),
        (b"SUBSCRIBE a", (), commands.Subscribe("a")),
        (b"UNSUBSCRIBE a", (), commands.Unsubscribe("a")),
        (b'LIST "" *', (), commands.List("", ("*",))),
        (b'LIST "" "%/*"', (), commands.List("", ("%/*",))),
        (b"LSUB a/ %", (), commands.Lsub("a/", "%")),
        (b"NAMESPACE", (), commands.Namespace()),
        (b"STATUS a (messages UIDNEXT)", (), commands.Status("a", (StatusItem.MESSAGES, StatusItem.UIDNEXT))),
        (b"APPEND INBOX \0", (), commands.Append("INBOX")),
        (
            b'APPEND a (\\seen $Work) "07-Feb-1994 21:52:25 -0800" \0',
            (),
            commands.Append("a", frozenset({r"\Seen", "$Work"}), 760686745.0),
        ),
        (b'APPEND a () " 7-Feb-1994 21:52:25 -0800" \0', (), commands.Append("a", frozenset(), 760686745.0)),
        (b"APPEND a ~\0", (), commands.Append("a", binary=True)),
        (b"APPEND a (\\Seen) utf8 (~\0", (), commands.Append("a", frozenset({r"\Seen"}), binary=True, utf8=True)),
        (b"CHECK", (), commands.Check()),
        (b"CLOSE", (), commands.Close()),
        (b"UNSELECT", (), commands.Unselect()),
        (b"EXPUNGE", (), commands.Expunge()),
        (b"LOGOUT", (), commands.Logout()),
        (b"FETCH 1 FLAGS", (), commands.Fetch(ONE, (FetchItem.FLAGS,))),
        (b"UID FETCH 1:* (UID)", (), commands.Fetch(SequenceSet(((1, STAR),)), (FetchItem.UID,), by_uid=True)),
        (b"STORE 1 FLAGS ()", (), commands.Store(ONE, StoreMode.REPLACE, frozenset())),
        (b"STORE 1 +flags.silent a b", (), commands.Store(ONE, StoreMode.ADD, frozenset("ab"), silent=True)),
        (
            b"UID STORE 1 -FLAGS (\\DELETED)",
            (),
            commands.Store(ONE, StoreMode.REMOVE, frozenset({r"\Deleted"}), by_uid=True),
        ),
        (b"COPY 1 a", (), commands.Copy(ONE, "a")),
        (b"UID COPY 1 a", (), commands.Copy(ONE, "a", by_uid=True)),
        (b"MOVE 1 a", (), commands.Move(ONE, "a")),
        (b"uid move 1 a", (), commands.Move(ONE, "a", by_uid=True)),
        (b"UID EXPUNGE 1", (), commands.Expunge(ONE)),
        (b"IDLE", (), commands.Idle()),
        (b"SEARCH ALL", (), commands.Search(All())),
        (b"uid search all", (), commands.Search(All(), by_uid=True)),
    ],
)
def test_commands(text: bytes, literals: tuple[bytes, ...], command: Command) -> None:
    assert parse(text, *literals) == command


@pytest.mark.parametrize(
    ("text", "literals", "command"),
    [
        (b'SELECT "Entw\xc3\xbcrfe"', (), commands.Select("Entwürfe")),
        (b"SELECT Entw&APw-rfe", (), commands.Select("Entw&APw-rfe")),
        (b"DELETE \0", (b"\xc3\xbc",), commands.Delete("ü")),
        (b'CREATE "\xc3\xbc\\"\\\\"', (), commands.Create('ü"\\')),
        (b'RENAME "\xc3\xa4" "\xc3\xbc"', (), commands.Rename("ä", "ü")),
        (b'LIST "\xc3\xa4" ("\xc3\xb6*" %)', (), commands.List("ä", ("ö*", "%"), extended=True)),
        (b'LSUB "" "\xc3\xbc%"', (), commands.Lsub("", "ü%")),
        (b'COPY 1 "\xc3\xbc"', (), commands.Copy(ONE, "ü")),
        (b'SEARCH SUBJECT "\xc3\xbc"', (), commands.Search(Header("Subject", "ü"))),
        (b'APPEND "\xc3\xbc" UTF8 (~\0', (), commands.Append("ü", binary=True, utf8=True)),
    ],
)
def test_commands_in_utf_8(text: bytes, literals: tuple[bytes, ...], command: Command) -> None:
    assert parse_command(text, 0, literals, utf8=True) == command


@pytest.mark.parametrize(
    "text",
    [
        b'SELECT "\xc3"',
        b'SELECT "\xc0\xaf"',
        b"SELECT \xc3\xbc",
        b'LIST "" "\xff*"',
        b'SEARCH SUBJECT "\xfc"',
        b"SEARCH CHARSET UTF-8 ALL",
        b"UID SEARCH RETURN () charset X ALL",
        b'ID ("\xff" NIL)',
    ],
)
def test_bad_syntax_in_utf_8(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_command(text, 0, utf8=True)


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"NOOP ",
            b"NOOP x",
            b"LOGIN",
            b"LOGIN ",
            b"LOGIN a",
            b"LOGIN a ",
            b"LOGIN a  b",
            b"LOGIN a b c",
            b"LOGIN {5} b",
        ),
        *(
            b'LOGIN a "b',
            b'LOGIN a "b\\n"',
            b"LOGIN a b(c",
            b"LOGIN \xc3\xbc x",
            b"LOGIN a b%",
            b"ID",
            b'ID ("a")',
            b"ID (a b)",
        ),
        *(
            b"SELECT",
            b"SELECT a b",
            b"CREATE a ",
            b"CREATE a ()",
            b"CREATE a (USE)",
            b"CREATE a (USE (Archive))",
            b"CREATE a (USE (\\))",
            b"CREATE a (USE (\\Archive)",
            b"CREATE a (USE (\\Archive)) b",
            b"CREATE a (USE (\\Archive) USE (\\Junk))",
            b"CREATE a (X (\\Archive))",
            b"CREATE a (USE(\\Archive))",
            b"RENAME a",
            b"STATUS a ()",
            b"STATUS a (X)",
            b"STATUS a MESSAGES",
            b'LIST ""',
            b"LIST * a",
        ),
        b"APPEND",
        b"APPEND a",
        b"APPEND a {5}",
        b"APPEND a \\Seen \0",
        b"APPEND a (\\Seen)\0",
        b"APPEND a ~ \0",
        b"APPEND a UTF8 (\0",
        b"APPEND a UTF8 ~\0",
        b"APPEND a UTF8 () (~\0",
        b"APPEND a UTF8 (~\0)",
        *(
            b"STORE 1 FLAGS",
            b"STORE 1 FLAGS (\\Recent)",
            b"STORE 1 FLAGS (\\*)",
            b"STORE 1 FLAGS (a  b)",
            b"STORE 1 FLAGS (a",
        ),
        *(
            b"STORE 1 FLAGSX (a)",
            b"STORE 1 ~FLAGS (a)",
            b"STORE 1 FLAGS (a) b",
            b"STORE x FLAGS (a)",
            b"COPY 1",
            b"UID NOOP",
        ),
        *(
            b"FETCH 1",
            b"FETCH 1 ()",
            b"FETCH 1 (FLAGS",
            b"FETCH 1 FLAGS UID",
            b"FETCH 1 (ALL)",
            b"FETCH 1 X",
            b"FETCH 0 UID",
        ),
        b"UID",
        b"UID  FETCH 1 UID",
        b"AUTHENTICATE",
        b"",
        b" NOOP",
        b"NO-OP",
        b"\xff",
    ],
)
def test_other_text_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse(text)


@pytest.mark.parametrize("text", [b"XYZZY", b"UID XYZZY", b"UID", b""])
def test_an_unknown_verb_is_told_from_bad_arguments(text: bytes) -> None:
    with pytest.raises(UnknownCommand):
        parse(text)


@pytest.mark.parametrize(
    ("text", "tag", "at"), [(b"a1 NOOP", b"a1", 3), (b"A.b-c[1] X", b"A.b-c[1]", 9), (b"a", b"a", 1), (b"a ", b"a", 2)]
)
def test_tags(text: bytes, tag: bytes, at: int) -> None:
    assert parse_tag(text) == (tag, at)


@pytest.mark.parametrize(
    "text", [b"", b" NOOP", b"+ NOOP", b"* NOOP", b'"a" NOOP', b"a(b NOOP", b"\xff NOOP", b"\0 NOOP"]
)
def test_what_is_no_tag_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_tag(text)


def test_verbs() -> None:
    assert [parse_verb(text, 0) for text in (b"login x", b"uid fetch 1", b"uid", b"(", b"")] == [
        b"LOGIN",
        b"UID FETCH",
        b"UID",
        b"",
        b"",
    ]


@pytest.mark.parametrize(
    "text",
    [
        b'APPEND a "07-Feb-0000 21:52:25 -0800" \0',
        b'APPEND a "30-Feb-1994 21:52:25 -0800" \0',
        b'APPEND a "07-Foo-1994 21:52:25 -0800" \0',
        b'APPEND a "07-Feb-1994 25:52:25 -0800" \0',
        b'APPEND a "07-Feb-1994 21:52:25 -9900" \0',
        b'APPEND a "7-Feb-1994 21:52:25 -0800" \0',
        b'APPEND a "" \0',
    ],
)
def test_attack_65_a_date_that_never_was_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse(text)


@pytest.mark.parametrize("name", [b"&AC4ALg-", b"&AC8-", b"&", b'"\xc3\xbc"', b"&AAA-", b"&AAo-"])
def test_attack_61_a_name_in_bad_encoding_is_no_syntax_error(name: bytes) -> None:
    with pytest.raises(MailboxNameError):
        parse(b"CREATE " + name)


@pytest.mark.parametrize("literal", [b"a\0b", b"a\nb", b"a\r\nb", b"\xff"])
def test_attack_61_a_name_with_controls_is_refused(literal: bytes) -> None:
    with pytest.raises(MailboxNameError):
        parse(b"CREATE \0", literal)


def test_id_has_thirty_pairs_at_most() -> None:
    pair = b' "a" "b"'
    assert parse(b"ID (" + (pair * 30)[1:] + b")") == commands.Id(((b"a", b"b"),) * 30)
    with pytest.raises(BadSyntax):
        parse(b"ID (" + (pair * 31)[1:] + b")")


FULL = BodySection(Section())
HEADER = Section(text=SectionText.HEADER)


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        (b"ALL", (FetchItem.FLAGS, FetchItem.INTERNALDATE, FetchItem.RFC822_SIZE, FetchItem.ENVELOPE)),
        (b"fast", (FetchItem.FLAGS, FetchItem.INTERNALDATE, FetchItem.RFC822_SIZE)),
        (b"FULL", (FetchItem.FLAGS, FetchItem.INTERNALDATE, FetchItem.RFC822_SIZE, FetchItem.ENVELOPE, FetchItem.BODY)),
        (b"BODY", (FetchItem.BODY,)),
        (b"BODYSTRUCTURE", (FetchItem.BODYSTRUCTURE,)),
        (b"(UID uid FLAGS UID)", (FetchItem.UID, FetchItem.FLAGS)),
        (b"BODY[]", (FULL,)),
        (b"body.peek[]<0.100>", (BodySection(Section(), peek=True, partial=(0, 100)),)),
        (b"BODY[HEADER]", (BodySection(HEADER),)),
        (b"BODY[1]", (BodySection(Section((1,))),)),
        (b"BODY[1.2.mime]", (BodySection(Section((1, 2), SectionText.MIME)),)),
        (b"BODY[3.TEXT]", (BodySection(Section((3,), SectionText.TEXT)),)),
        (
            b'(UID BODY.PEEK[1.2.HEADER.FIELDS (Subject "To" \0)]<0.100> RFC822.SIZE)',
            (
                FetchItem.UID,
                BodySection(
                    Section((1, 2), SectionText.HEADER_FIELDS, (b"Subject", b"To", b"X")), peek=True, partial=(0, 100)
                ),
                FetchItem.RFC822_SIZE,
            ),
        ),
        (
            b"BODY[HEADER.FIELDS.NOT (A B)]",
            (BodySection(Section(text=SectionText.HEADER_FIELDS_NOT, fields=(b"A", b"B"))),),
        ),
        (b"RFC822", (BodySection(Section(), name=b"RFC822"),)),
        (b"RFC822.HEADER", (BodySection(HEADER, peek=True, name=b"RFC822.HEADER"),)),
        (b"RFC822.TEXT", (BodySection(Section(text=SectionText.TEXT), name=b"RFC822.TEXT"),)),
    ],
)
def test_fetch_attributes(text: bytes, attributes: tuple[object, ...]) -> None:
    command = parse(b"FETCH 1 " + text, b"X")
    assert isinstance(command, commands.Fetch)
    assert command.attributes == attributes


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"BODY[",
            b"BODY[1",
            b"BODY[0]",
            b"BODY[1.]",
            b"BODY[.1]",
            b"BODY[1..2]",
            b"BODY[MIME]",
            b"BODY[X]",
            b"BODY[1.X]",
        ),
        b"BODY[HEADER.1]",
        b"BODY[HEADER.FIELDS]",
        b"BODY[HEADER.FIELDS ()]",
        b"BODY[HEADER.FIELDS (A]",
        b"FLAGS[]",
        b"BODY[]<0>",
        b"BODY[]<0.0>",
        b"BODY[]<-1.5>",
        b"BODY[]<0.4294967296>",
        b"BODY[]<1.2.3>",
        b"BODY[]x",
    ],
)
def test_other_sections_are_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse(b"FETCH 1 " + text)


@pytest.mark.parametrize(
    "attribute", [b"BODY[" + b".".join([b"1"] * 1000) + b"]", b"BODY[]<0.18446744073709551615>", b"BODY[4294967296]"]
)
def test_attack_64_monstrous_sections_are_refused(attribute: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse(b"FETCH 1 " + attribute)


DAY = date(1994, 2, 1)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"ALL", All()),
        (b"1:3,5", Numbers(SequenceSet(((1, 3), (5, 5))))),
        (b"*", Numbers(SequenceSet(((STAR, STAR),)))),
        (b"UID 1", Uids(ONE)),
        (b"seen", SEEN),
        (b"UNSEEN", Not(SEEN)),
        (b"NEW", And((HasFlag(r"\Recent"), Not(SEEN)))),
        (b"OLD", Not(HasFlag(r"\Recent"))),
        (b"KEYWORD work", HasFlag("work")),
        (b"UNKEYWORD work", Not(HasFlag("work"))),
        (b"LARGER 100", Larger(100)),
        (b"SMALLER 100", Smaller(100)),
        (b"BEFORE 1-Feb-1994", Before(Clock.INTERNAL, DAY)),
        (b'ON "01-feb-1994"', On(Clock.INTERNAL, DAY)),
        (b"SINCE 1-Feb-1994", Not(Before(Clock.INTERNAL, DAY))),
        (b"SENTBEFORE 1-Feb-1994", Before(Clock.SENT, DAY)),
        (b"SENTON 1-Feb-1994", On(Clock.SENT, DAY)),
        (b"SENTSINCE 1-Feb-1994", Not(Before(Clock.SENT, DAY))),
        (b'SUBJECT "a b"', Header("Subject", "a b")),
        (b'HEADER Message-ID ""', Header("Message-ID", "")),
        (b"FROM a", Header("From", "a")),
        (b"TO a", Header("To", "a")),
        (b"CC a", Header("Cc", "a")),
        (b"BCC a", Header("Bcc", "a")),
        (b"BODY \0", Body("Ü")),
        (b"CHARSET UTF-8 TEXT \0", Text("Ü")),
        (b"SEEN DELETED", And((SEEN, HasFlag(r"\Deleted")))),
        (b"NOT SEEN", Not(SEEN)),
        (b"NOT NOT SEEN", Not(Not(SEEN))),
        (b"OR SEEN DELETED", Or(SEEN, HasFlag(r"\Deleted"))),
        (b"OR NOT SEEN OR ALL 1", Or(Not(SEEN), Or(All(), Numbers(ONE)))),
        (b"NOT (SEEN ALL) 1", And((Not(And((SEEN, All()))), Numbers(ONE)))),
        (b"((ALL))", All()),
        (b"OR (SEEN 1) (NOT (ALL)) DELETED", And((Or(And((SEEN, Numbers(ONE))), Not(All())), HasFlag(r"\Deleted")))),
    ],
)
def test_search_keys(text: bytes, key: SearchKey) -> None:
    assert parse(b"SEARCH " + text, "Ü".encode()) == commands.Search(key)


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"",
            b"()",
            b"(ALL",
            b"ALL)",
            b"ALL ",
            b"NOT",
            b"NOT ",
            b"OR ALL",
            b"OR ALL ",
            b"(OR ALL) ALL",
            b"NOT) ALL",
            b"X",
        ),
        b"KEYWORD",
        b"LARGER x",
        b"LARGER 4294967296",
        b"BEFORE 1-Foo-1994",
        b"ON 31-Feb-1994",
        b"ON 1-Feb-0000",
        b'ON "1-Feb-1994',
        b"HEADER a",
        b"TEXT",
        b"UID",
        b"UID 0",
        b"CHARSET UTF-8",
        b"ALLSEEN",
        b"ALL  SEEN",
    ],
)
def test_other_search_keys_are_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse(b"SEARCH " + text)


def test_an_unknown_character_set_is_told_apart() -> None:
    with pytest.raises(BadCharset):
        parse(b"SEARCH CHARSET zlib TEXT a")


def test_text_that_is_not_in_its_character_set_is_refused() -> None:
    with pytest.raises(BadSyntax):
        parse(b"SEARCH CHARSET US-ASCII TEXT \0", "ü".encode())


@pytest.mark.parametrize("opening", [b"NOT ", b"OR ALL ", b"(", b"OR (ALL) ", b"OR NOT ALL "])
def test_attack_59_search_keys_nest_no_deeper_than_the_limit(opening: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse(b"SEARCH " + opening * 10_000 + b"ALL")


def test_attack_59_or_trees_to_the_left_nest_no_deeper_than_the_limit() -> None:
    with pytest.raises(BadSyntax):
        parse(b"SEARCH " + b"OR " * 10_000 + b"ALL " * 10_001)


def test_attack_59_parentheses_in_fetch_are_refused() -> None:
    with pytest.raises(BadSyntax):
        parse(b"FETCH 1 " + b"(" * 10_000)


def test_search_keys_nest_up_to_the_limit() -> None:
    limits = GrammarLimits(search_depth=10)
    assert parse_command(b"SEARCH " + b"NOT " * 9 + b"ALL", 0, limits=limits)
    with pytest.raises(BadSyntax):
        parse_command(b"SEARCH " + b"NOT " * 10 + b"ALL", 0, limits=limits)


def test_a_wide_search_is_no_deep_one() -> None:
    command = parse(b"SEARCH" + b" OR SEEN 1" * 500)
    assert isinstance(command, commands.Search)
    assert isinstance(command.key, And)
    assert len(command.key.keys) == 500


def test_no_complaint_repeats_what_the_client_wrote() -> None:
    for text in (b"LOGIN <script> {x", b"FETCH 1 <script>", b"<script>", b"CREATE &<script>"):
        with pytest.raises(MailError) as caught:
            parse(text)
        assert "script" not in caught.value.public


@given(st.lists(st.sampled_from([b"\\", b'"', b"a"])).map(b"".join))
def test_every_quoted_string_comes_back(text: bytes) -> None:
    quoted = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    assert Cursor(b'"%b"' % quoted).string() == text


@pytest.mark.parametrize(
    ("written", "word", "end"),
    [
        (b"STORE 1 FLAGS (", b"x", b")"),
        (b"STORE 1 FLAGS ", b"x", b""),
        (b"APPEND x (", b"x", b") \0"),
        (b"FETCH 1 BODY[HEADER.FIELDS (", b"x", b")]"),
    ],
)
def test_attack_58_what_a_command_repeats_is_counted(written: bytes, word: bytes, end: bytes) -> None:
    parse(written + b" ".join([word] * 1000) + end, b"")
    with pytest.raises(TooMuchAsked):
        parse(written + b" ".join([word] * 1001) + end, b"")

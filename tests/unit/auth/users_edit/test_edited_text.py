"""A change is made in the text where it belongs, and all else stays octet for octet."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.auth.users_edit import edited_text
from mailbox_d.auth.users_edit.changes import Append, CannotEdit, Change, Put, Remove
from mailbox_d.auth.users_edit.edited_text import edited, value_of
from mailbox_d.auth.users_edit.edits import add_app_password
from mailbox_d.config.source import DEFAULT_LIMITS, parse_document

TEXT = """\
# top
users:   # people
  # Alice
  alice@example.org:
    password: "{PLAIN}x"   # weak
    # quota: 1 GiB

  bob@example.org: {password: "{PLAIN}y", aliases: [b@example.org]} # bob
# aliases
aliases:
  sales@example.org:
  - alice@example.org # a
  # Bob-too
  - bob@example.org
  info@example.org: alice@example.org
"""
ALICE, BOB = ("users", "alice@example.org"), ("users", "bob@example.org")
SALES = ("aliases", "sales@example.org")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        (Put((*ALICE, "password"), "{PLAIN}new"), '"{PLAIN}x"', '"{PLAIN}new"'),
        (Put((*ALICE, "enabled"), False), "# weak\n", "# weak\n    enabled: false\n"),
        (Put((*BOB, "quota"), "1 GiB"), "[b@example.org]}", "[b@example.org], quota: 1 GiB}"),
        (Append((*BOB, "aliases"), ("no",)), "[b@example.org]", '[b@example.org, "no"]'),
        (Remove((*BOB, "aliases", 0)), "[b@example.org]", "[]"),
        (Remove((*BOB, "aliases")), ", aliases: [b@example.org]", ""),
        (Remove((*BOB, "password")), 'password: "{PLAIN}y", ', ""),
        (
            Remove(ALICE),
            '  # Alice\n  alice@example.org:\n    password: "{PLAIN}x"   # weak\n    # quota: 1 GiB\n',
            "",
        ),
        (Remove(BOB), '  bob@example.org: {password: "{PLAIN}y", aliases: [b@example.org]} # bob\n', ""),
        (
            Put(("users", "c@example.org"), {"password": "{PLAIN}z", "quota": "5 MB"}),
            " # bob\n",
            ' # bob\n  c@example.org: {password: "{PLAIN}z", quota: 5 MB}\n',
        ),
        (Append(SALES, ("c@example.org",)), "  - bob@example.org\n", "  - bob@example.org\n  - c@example.org\n"),
        (Remove((*SALES, 0)), "  - alice@example.org # a\n", ""),
        (Remove((*SALES, 1)), "  # Bob-too\n  - bob@example.org\n", ""),
        (
            Put(SALES, "c@example.org"),
            ":\n  - alice@example.org # a\n  # Bob-too\n  - bob@example.org\n",
            ": c@example.org\n",
        ),
        (
            Put(("aliases", "info@example.org"), ["alice@example.org", "bob@example.org"]),
            "info@example.org: alice@example.org",
            "info@example.org: [alice@example.org, bob@example.org]",
        ),
    ],
)
def test_only_the_entry_changes(change: Change, old: str, new: str, newline: str) -> None:
    assert TEXT.count(old) == 1
    expected = TEXT.replace(old, new).replace("\n", newline)
    assert edited(TEXT.replace("\n", newline), change) == expected


@pytest.mark.parametrize(
    ("text", "change", "after"),
    [
        (
            "users: {}  # none\n",
            Put(("users", "a@b.c"), {"password": "{PLAIN}x"}),
            'users:  # none\n  a@b.c:\n    password: "{PLAIN}x"\n',
        ),
        (
            "aliases:\n  a@b.c: d@b.c\nusers: {}",
            Put(("users", "d@b.c"), {"password": "{PLAIN}x", "app_passwords": {"phone": {"services": ["imap"]}}}),
            "aliases:\n  a@b.c: d@b.c\nusers:\n  d@b.c:\n"
            '    password: "{PLAIN}x"\n    app_passwords:\n      phone:\n        services: [imap]',
        ),
        ("users: {}", Put(("aliases",), {"a@b.c": "d@b.c"}), "users: {}\naliases:\n  a@b.c: d@b.c"),
        ("{users: {}}", Put(("users", "a@b.c"), {"x": 1}), "{users: {a@b.c: {x: 1}}}"),
        ("users:\n  a: {x: 1} # gone\n# end\n", Remove(("users", "a")), "users: {}\n# end\n"),
        ("a:\n  # head\n\n  b: 1\nc: 2\n", Remove(("a", "b")), "a: {}\n  # head\n\nc: 2\n"),
        (
            "users: {\n  a: {b: 1},\n  c: {} # c\n}\n",
            Put(("users", "d"), {"b": 2}),
            "users: {\n  a: {b: 1},\n  c: {}, # c\n  d: {b: 2}\n}\n",
        ),
        ("users: {\n  a: {b: 1}, # a\n  # c\n  c: {}\n}\n", Remove(("users", "a")), "users: {\n  # c\n  c: {}\n}\n"),
        ("users: {\n  a: {b: 1},\n  c: {}\n}\n", Remove(("users", "c")), "users: {\n  a: {b: 1},\n}\n"),
        ("users: { a: 1, b: 2 }", Remove(("users", "b")), "users: { a: 1 }"),
        ("users: { a: 1, b: 2 }", Remove(("users", "a")), "users: { b: 2 }"),
        ("a: [x, y,]", Append(("a",), ("z",)), "a: [x, y, z,]"),
        ("a: >-\n  x\n  y\n# end\n", Put(("a",), "z"), "a: z\n# end\n"),
        ("a:   'x'  # y", Put(("a",), "z"), "a:   z  # y"),
        ("a:\n\n\n# z", Put(("a",), "z"), "a: z\n\n\n# z"),
        ("users:\n    a:\n       b: 1\n", Put(("users", "c"), {"b": {"d": 1}}), "users:\n    a:\n       b: 1\n"
         "    c:\n       b:\n          d: 1\n"),
    ],
)  # fmt: skip
def test_of_whatever_style_it_is(text: str, change: Change, after: str) -> None:
    assert edited(text, change) == after


@pytest.mark.parametrize(
    ("text", "items", "after"),
    [
        ("a:\n- 0\n# one\n- 1\n- 2 # two\n  # in two\n- 3\n", (3, 2), "a:\n- 0\n# one\n- 1\n"),
        ("a:\n- 0\n# one\n- 1\n- 2 # two\n  # in two\n- 3\n", (2, 1, 0), "a:\n- 3\n"),
        ("a: [0, 1, 2, 3]\n", (3, 2), "a: [0, 1]\n"),
        ("a: [0, 1, 2, 3,] # z\n", (3, 1), "a: [0, 2, ] # z\n"),
        ("a: [\n  0, # zero\n  # one\n  1,\n  2, 3\n]\n", (3, 1, 0), "a: [\n  2\n]\n"),
        ("a:\n- 0\n- 1\n- 2\n", (1, 1), "a:\n- 0\n"),
        ("a:\n- x000\n- 1\n- 2\n", (0, 1), "a:\n- 1\n"),
    ],
)
def test_several_items_go_at_once(text: str, items: tuple[int, ...], after: str) -> None:
    assert edited(text, *(Remove(("a", item)) for item in items)) == after


def test_several_items_come_at_once() -> None:
    assert edited("a:\n- 0 # z\n", Append(("a",), (1, "no"))) == 'a:\n- 0 # z\n- 1\n- "no"\n'
    assert edited("a: [0] # z\n", Append(("a",), (1, "no"))) == 'a: [0, 1, "no"] # z\n'
    assert edited("a: [\n  0 # z\n]\n", Append(("a",), (1, 2))) == "a: [\n  0, # z\n  1, 2\n]\n"


def test_each_change_finds_what_the_ones_before_it_left() -> None:
    lists = "a:\n- 0\n- 1\nb:\n- 2\n- 3\n"
    assert edited(lists, Remove(("a", 1)), Remove(("b", 0))) == "a:\n- 0\nb:\n- 3\n"
    changes = (Put((*ALICE, "enabled"), False), Remove(BOB), Put((*ALICE, "enabled"), True), Remove(("aliases",)))
    after = edited(TEXT, *changes)
    assert after == edited(edited(edited(edited(TEXT, changes[0]), changes[1]), changes[2]), changes[3])


def test_the_text_is_read_but_once_again_however_many_changes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a:\n" + "".join(f"- {number}\n" for number in range(100))
    read: list[str] = []

    def noting(function: Callable[..., Any], text: str, *more: Any) -> Any:
        read.append(function.__name__)
        return function(text, *more)

    for function in (edited_text.find_places, edited_text.parse_document):
        monkeypatch.setattr(edited_text, function.__name__, partial(noting, function))
    assert edited(text, *(Remove(("a", number)) for number in range(99, 0, -1))) == "a:\n- 0\n"
    assert read == ["parse_document", "find_places", "parse_document"]


@pytest.mark.parametrize("text", ["app_passwords: {\n  # stolen\n}\n", "app_passwords: {} # none\n"])
def test_the_first_app_password_leaves_the_comment_of_those_that_were_there(text: str) -> None:
    before = 'users:\n  bob@x.org:\n    password: "{PLAIN}x"\n    '
    whole = before + text.replace("\n", "\n    ").rstrip(" ")
    bob = EmailAddress.parse("bob@x.org")
    result = edited(whole, *add_app_password(bob, "phone", {"a": 1})(value_of(whole, DEFAULT_LIMITS)))
    assert result.startswith(before) and all(comment in result for comment in re.findall("#.*", text))
    assert parse_document(result, "").value == {
        "users": {"bob@x.org": {"password": "{PLAIN}x", "app_passwords": {"phone": {"a": 1}}}}
    }


@pytest.mark.parametrize(
    "key", ["no", "1:30", "a: b", "ö@example.org", "#x", "- x", '"q\\"', "null", "\U000e0001", "="]
)
def test_what_is_written_is_read_as_it_was_meant(key: str) -> None:
    after = edited("users:\n  a: 1\n", Put(("users", key), {key: [key, 1, True, None]}))
    assert parse_document(after, "").value == {"users": {"a": 1, key: {key: [key, 1, True, None]}}}


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50), st.booleans())
def test_any_text_is_written_so_that_it_is_read_again(text: str, flow: bool) -> None:
    before = "users: {a: [1]}\n" if flow else "users:\n  a:\n  - 1\n"
    then: Change = Append(("users", "a"), (text,)) if text != "a" else Put(("b",), text)
    after = edited(edited(before, Put(("users", text), text)), then)
    value = parse_document(after, "").value
    assert isinstance(value, dict) and isinstance(value["users"], dict)
    assert value["users"][text] == text and (text == "a" or value["users"]["a"] == [1, text])


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("? a\n: 1\n? b\n: 2\n", Remove(("a",))),
        ("a: 1\n", Remove(("a",))),
        ("a: 1\n", Remove(("b",))),
        ("a: 1\n", Append(("a",), (1,))),
        ("- a\n", Put(("x",), 1)),
        ("a: 1\n", Put(("a",), 1.5)),
        ("a:\n  b: |+\n    x\n\n\n", Put(("a", "c"), 1)),  # the blank lines are the text's
    ],
)
def test_what_cannot_be_done_safely_is_refused(text: str, change: Change) -> None:
    with pytest.raises(CannotEdit):
        edited(text, change)


USER_FORMS = [
    '{0}{1}:\n{0}{2}password: "{{PLAIN}}x"\n',
    '{0}{1}:\n{0}{2}password: "{{PLAIN}}x"   # weak\n\n{0}{2}aliases:\n{0}{2}- b.{1}\n{0}{2}# inner\n',
    "{0}'{1}':   # who\n{0}{2}quota: 1 GiB\n{0}{2}# above\n{0}{2}password: >-\n{0}{2}   {{PLAIN}}x\n",
    '{0}{1}: {{password: "{{PLAIN}}x", quota: 1 GiB}}  # flow\n',
    '{0}"{1}": {{\n{0}   password: "{{PLAIN}}x", # weak\n{0}   # next\n{0}   aliases: [b.{1},]\n{0}  }}\n',
    '{0}{1}:\n{0}{2}{{password: "{{PLAIN}}x" }}\n',
    '{0}{1}:\n{0}{2}password:\n{0}{2}  "{{PLAIN}}\\\n{0}{2}  x"\n{0}{2}aliases:\n{0}{2}  -   b.{1}\n',
]
BETWEEN = ["", "\n", "# note\n", "{0}# past: {{}}\n\n", "\n\n{0}# own\n\n"]
HEADS = ["users:\n", "# top\nusers: # who\n\n", "---\naliases: {{a@x.org: user0@x.org}}\nusers:\n{0}# first\n\n"]
TAILS = ["", "\n# end\n", "aliases:\n  a@x.org: user0@x.org # a\n", "aliases: {{}}", "# end\n...\n"]


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[str], str]:
    """What is before the users, each user's text with what follows up to the next, what is behind them."""
    margin, width = " " * draw(st.integers(1, 5)), " " * draw(st.integers(1, 5))
    users = []
    forms = draw(st.lists(st.sampled_from(USER_FORMS), min_size=2, max_size=4))
    for number, form in enumerate(forms):
        own = draw(st.sampled_from(["", "{0}# about {1}\n"]))
        users.append((own + form).format(margin, f"user{number}@x.org", width))
    head, tail = draw(st.sampled_from(HEADS)), draw(st.sampled_from(TAILS))
    if "aliases" in head and "aliases" in tail:
        tail = ""
    between = [draw(st.sampled_from(BETWEEN)).format(margin) for _ in users]
    parts = [f"{user}\0{filling}" for user, filling in zip(users, between, strict=True)]
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    head, tail = head.format(margin), tail.format(margin)
    return head.replace("\n", newline), [part.replace("\n", newline) for part in parts], tail.replace("\n", newline)


USER_CHANGES = [
    lambda user: Put((*user, "enabled"), False),
    lambda user: Put((*user, "password"), "{PLAIN}y"),
    lambda user: Put((*user, "app_passwords"), {"phone": {"password": "{PLAIN}z", "services": ["imap"]}}),
    lambda user: Remove((*user, "password")),
    lambda user: Remove(user),
]


@given(files(), st.integers(0, 3), st.sampled_from(USER_CHANGES))
def test_whatever_the_layout_all_else_stays(file: tuple[str, list[str], str], number: int, change: object) -> None:
    head, parts, tail = file
    number %= len(parts)
    user, _, filling = parts[number].partition("\0")
    before = (head + "".join(parts[:number])).replace("\0", "")
    after = filling + ("".join(parts[number + 1 :])).replace("\0", "") + tail
    text = before + user + after
    made = change(("users", f"user{number}@x.org"))  # type: ignore[operator]
    try:
        result = edited(text, made)
    except CannotEdit:
        assert isinstance(made, Remove) and len(made.path) == 3, text  # a mapping that would have lost its only part
        return
    assert result.startswith(before) and result.endswith(after), (text, result)


@given(files())
def test_a_new_user_stands_behind_the_last(file: tuple[str, list[str], str]) -> None:
    head, parts, tail = file
    text = (head + "".join(parts) + tail).replace("\0", "")
    last, _, filling = parts[-1].partition("\0")
    result = edited(text, Put(("users", "new@x.org"), {"password": "{PLAIN}n"}))
    before = (head + "".join(parts[:-1]) + last).replace("\0", "")
    assert result.startswith(before.rstrip()) and result.endswith(filling + tail)
    assert len(result) > len(text)

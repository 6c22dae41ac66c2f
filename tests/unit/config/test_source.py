"""YAML as data alone, with the place of everything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.config.faults import ConfigurationError
from mailbox_d.config.source import Document, DocumentLimits, Position, parse_document, read_document


def faults_of(text: str, limits: DocumentLimits | None = None) -> list[str]:
    try:
        document = parse_document(text, "f", limits or DocumentLimits())
    except ConfigurationError as error:
        return [str(fault) for fault in error.faults]
    return [str(fault) for fault in document.faults]


def value_of(text: str) -> object:
    document = parse_document(text, "f")
    assert not document.faults
    return document.value


def test_values_are_plain() -> None:
    text = "a: text\nb: 12\nc: 1.5\nd: true\ne: no\nf: null\ng: ~\nh:\n"
    text += "i: [x, '1', -3]\nj: {k: \"v\\n\"}\nl: |\n  two\n  lines\n"
    assert value_of(text) == {
        "a": "text",
        "b": 12,
        "c": 1.5,
        "d": True,
        "e": False,
        "f": None,
        "g": None,
        "h": None,
        "i": ["x", "1", -3],
        "j": {"k": "v\n"},
        "l": "two\nlines\n",
    }


def test_text_that_only_looks_like_something_else() -> None:
    text = "a: 127.0.0.1\nb: 50 MiB\nc: tcp:2525:interface=127.0.0.1\nd: 2001:db8::/32\ne: <>\nf: n\ng: 0o17"
    assert value_of(text) == {
        "a": "127.0.0.1",
        "b": "50 MiB",
        "c": "tcp:2525:interface=127.0.0.1",
        "d": "2001:db8::/32",
        "e": "<>",
        "f": "n",
        "g": "0o17",
    }


@pytest.mark.parametrize("text", ["", "\n\n", "# a comment\n", "---\n"])
def test_an_empty_file_is_nothing(text: str) -> None:
    assert value_of(text) is None


def test_positions_count_from_one_and_in_characters() -> None:
    document = parse_document("ä: {ö: [x, ☃y]}\nlast:\n  deep: 1\n", "f")
    assert document.position(("ä",)) == (1, 1)
    assert document.position(("ä", "ö")) == (1, 5)
    assert document.value_position(("ä", "ö")) == (1, 8)
    assert document.value_position(("ä", "ö", 1)) == (1, 12)
    assert document.position(("last", "deep")) == (3, 3)
    assert document.value_position(("last",)) == (3, 3)


def test_the_position_of_what_is_missing_is_its_nearest_ancestor() -> None:
    document = parse_document("a:\n  b: {}\n", "f")
    assert document.position(("a", "b", "c", 0)) == (2, 3)
    assert document.value_position(("a", "b", "c", 0)) == (2, 3)
    assert document.position(("z",)) == (1, 1)
    assert Document("f", None).position(("z",)) == (1, 1)


def test_how_a_number_was_written_is_kept() -> None:
    document = parse_document("a: no\nb: 1.50\nc: text", "f")
    assert [document.written((key,)) for key in "abc"] == ["no", "1.50", None]


def test_attack_124_python_object_is_a_fault_and_nothing_runs(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    assert faults_of(f"a: !!python/object/apply:os.system ['touch {witness}']\n") == [
        'f:1:4: a: the tag "!!python/object/apply:os.system" is not allowed, expected the value alone'
    ]
    assert not witness.exists()


@pytest.mark.parametrize("tag", ["!", "!x", "!!str", "!!python/name:os.system", "!!binary", "!<tag:example,2000:x>"])
def test_attack_124_every_tag_is_refused(tag: str) -> None:
    assert len(faults_of(f"a: {tag} x")) == 1
    assert len(faults_of(f"a: {tag} [x]")) == 1
    assert len(faults_of(f"{tag} a: x")) == 1


def test_attack_124_alias_bomb_is_refused_without_being_expanded() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    faults = faults_of(bomb)
    assert "f:1:5: a0: the anchor &a0 is not allowed, expected the value alone" in faults
    assert "f:2:10: a1[0]: the alias *a0 is not allowed, expected the value itself" in faults
    assert len(faults) == 10 + 9 * 9


def test_attack_124_duplicate_key_names_both_lines() -> None:
    document = parse_document("a: 1\nb: {c: 1}\nb: {d: 2}\n", "f")
    assert document.value == {"a": 1, "b": {"c": 1}}
    assert [str(fault) for fault in document.faults] == [
        "f:3:1: b: this key is already on line 2, expected each key once"
    ]


@pytest.mark.parametrize(
    "text", ["a:\n\tb: 1\n", "a: 1\n\t\nb: 2\n", "a: 1\n\t# b\n", "a:\n \tb: 1\n", "a:\n  - x\n\t- y\n"]
)
def test_attack_124_tab_in_the_indentation(text: str) -> None:
    (fault,) = faults_of(text)
    assert fault.endswith(": a tab in the indentation, expected spaces")


def test_a_tab_that_indents_nothing_is_harmless() -> None:
    assert value_of("a:\tb\t# comment\nc: 'x\ty'\n") == {"a": "b", "c": "x\ty"}


@pytest.mark.parametrize(
    ("key", "meaning"),
    [
        ("no", "a truth value"),
        ("Yes", "a truth value"),
        ("on", "a truth value"),
        ("1:30", "a number"),
        ("12", "a number"),
        ("2026-01-01", "a date"),
        ("~", "nothing (null)"),
        ("<<", "a command to merge"),
    ],
)
def test_attack_124_a_key_that_yaml_does_not_take_for_text(key: str, meaning: str) -> None:
    assert faults_of(f"{key}: {{x: y}}") == [
        f'f:1:1: YAML reads the key "{key}" as {meaning}, expected text: put it in quotes'
    ]
    assert value_of(f"'{key}': x") == {key: "x"}


@pytest.mark.parametrize(
    "scalar", ["1:30", "0644", "0x1F", "0b11", "1_000", "+5", ".5", ".inf", "2026-01-01", "9" * 20]
)
def test_a_scalar_that_is_a_number_only_to_yaml(scalar: str) -> None:
    (fault,) = faults_of(f"a: {scalar}")
    assert fault.startswith(f'f:1:4: a: YAML reads "{scalar}" as ')
    assert value_of(f"a: '{scalar}'") == {"a": scalar}


def test_a_number_too_long_for_python_is_a_fault() -> None:
    assert len(faults_of("a: " + "9" * 100_000)) == 1


@pytest.mark.parametrize("text", ["? [a]\n: b", "? {a: b}\n: c", "{[a]: b}", "? ? ? ? a"])
def test_keys_are_scalars(text: str) -> None:
    (fault,) = faults_of(text)
    assert "a key that is a list, a mapping or an alias, expected text as the key" in fault


def test_one_document_in_a_file() -> None:
    assert faults_of("a: 1\n---\nb: 2\n") == ["f:2:1: a second document begins here, expected one document in the file"]


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ufeff", "\uffff"])
def test_characters_that_an_editor_would_not_show(character: str) -> None:
    assert faults_of(f"a: 1\nbc: x{character}") == ["f:2:6: a character that cannot be printed, expected text in UTF-8"]


@pytest.mark.parametrize(
    "text", ["a: [", "a: {b", "a: 'x", "a: b: c", "a: @", "a: *", "- a\nb", "a: 'x' y", "%YAML 9.9\n---\n"]
)
def test_syntax_errors_are_one_fault_with_a_place(text: str) -> None:
    (fault,) = faults_of(text)
    assert fault.startswith("f:")
    assert ", expected " in fault


def test_faults_before_a_syntax_error_are_kept() -> None:
    assert len(faults_of("a: 1\na: 2\nb: [")) == 2


@pytest.mark.parametrize("bracket", ["[", "{a: ", "- ", "? ", "{no: "])
def test_attack_124_nesting_is_bounded(bracket: str) -> None:
    faults = faults_of(bracket * 50_000)
    assert 1 <= len(faults) <= 17


def test_attack_124_the_number_of_values_is_bounded() -> None:
    assert faults_of("[" + "x, " * 30 + "]", DocumentLimits(nodes=10)) == [
        "f:1:29: [9]: more than 10 values in the file, expected a smaller file"
    ]


def test_the_number_of_faults_is_bounded() -> None:
    assert len(faults_of("\t\n" * 500_000, DocumentLimits(faults=20))) == 20
    assert len(faults_of("\0" * 1_000_000, DocumentLimits(faults=20))) == 20
    assert len(faults_of("[" + "!x y, " * 300 + "]", DocumentLimits(faults=20))) == 20


def test_attack_124_a_million_users_are_refused_where_the_limit_falls(tmp_path: Path) -> None:
    path = tmp_path / "users.yaml"
    path.write_text("users:\n" + "".join(f"  u{n}@example.org: {{}}\n" for n in range(1_000_000)))
    with pytest.raises(ConfigurationError) as caught:
        read_document(path, DocumentLimits(size=1 << 20))
    (fault,) = caught.value.faults
    assert fault.problem == "the file goes on after 1048576 octets"
    assert fault.line == path.read_bytes()[: 1 << 20].count(b"\n") + 1


def test_ten_thousand_users_are_composed_event_by_event() -> None:
    entry = '  user{n}@example.org:\n    password: "{{PLAIN}}x"\n    quota: 1 GiB\n    aliases: [a{n}@example.org]\n'
    text = "users:\n" + "".join(entry.format(n=n) for n in range(10_000))
    document = parse_document(text, "f")
    assert isinstance(document.value, dict)
    assert document.position(("users", "user9999@example.org", "quota")) == Position(4 * 9999 + 4, 5)


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: \xc3\xa4\r\n")
    document = read_document(path)
    assert document.value == {"a": 1, "b": "ä"}
    assert document.position(("b",)) == (2, 1)


def test_what_is_not_utf8_has_a_place(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes("a: 1\nä: ".encode() + b"\xff\n")
    with pytest.raises(ConfigurationError, match=r"f.yaml:2:4: an octet that is not UTF-8, expected text in UTF-8"):
        read_document(path)


def test_a_missing_file_and_a_folder_are_faults(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file or directory"):
        read_document(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="expected a"):
        read_document(tmp_path)
    with pytest.raises(ConfigurationError, match="its name is not possible"):
        read_document(tmp_path / "a\0b")


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigurationError, match="this is not a regular file"):
        read_document(tmp_path / "fifo")


def test_read_document_raises_what_parse_document_keeps(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("a: 1\na: 2\n")
    with pytest.raises(ConfigurationError) as caught:
        read_document(path)
    assert str(caught.value) == f"{path}:2:1: a: this key is already on line 1, expected each key once"


@given(st.text(st.sampled_from("ab:-[]{},'\"&*!|>#%@`?~ \n\t01.no\\\x00é"), max_size=60))
def test_any_text_is_a_document_or_a_fault_with_a_place(text: str) -> None:
    try:
        parse_document(text, "f")
    except ConfigurationError as error:
        assert error.faults
        assert all(fault.line >= 1 and fault.column >= 1 for fault in error.faults)

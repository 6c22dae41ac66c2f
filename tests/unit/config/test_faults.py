"""Faults as an operator reads them."""

from __future__ import annotations

from mailbox_d.config.faults import ConfigurationError, Fault, closest, dotted, kind, one_line, shown, unknown
from mailbox_d.errors import TemporaryError


def test_a_fault_is_one_line_with_its_place() -> None:
    fault = Fault("m.yaml", 3, 7, "tls.directory", "this is a number", "text")
    assert str(fault) == "m.yaml:3:7: tls.directory: this is a number, expected text"
    assert str(Fault("m.yaml", 1, 1, "", "the file is empty")) == "m.yaml:1:1: the file is empty"


def test_faults_come_once_and_in_the_order_of_their_places() -> None:
    late, early = Fault("f", 10, 1, "b", "late"), Fault("f", 9, 20, "a", "early")
    assert str(ConfigurationError([late, early, late])) == "f:9:20: a: early\nf:10:1: b: late"


def test_a_peer_would_hear_of_a_temporary_fault_and_no_more() -> None:
    error = ConfigurationError([Fault("/etc/secret", 1, 1, "", "bad")])
    assert isinstance(error, TemporaryError)
    assert error.temporary
    assert "secret" not in error.public
    assert "secret" in error.cause


def test_key_paths_are_written_with_dots_and_indexes() -> None:
    assert dotted(()) == ""
    assert dotted(("tls", "certificates", 0, "key")) == "tls.certificates[0].key"
    assert dotted((0, 1)) == "[0][1]"
    assert dotted(("domains", "example.org", "catch_all")) == "domains.example.org.catch_all"


def test_odd_keys_are_quoted() -> None:
    assert dotted(("domains", "..")) == 'domains.".."'
    assert dotted(("domains", "", "a b")) == 'domains.""."a b"'
    assert len(dotted(("x" * 65_536,))) == 82


def test_attack_125_what_the_file_says_stays_on_one_short_line() -> None:
    assert one_line("a\n\r\x1b[2J\x85\u2028\ud800b") == "a\\n\\r\\x1b[2J\\x85\\u2028\\ud800b"
    assert len(shown("x" * 65_536)) == 82
    assert "\n" not in str(Fault("a\nb", 1, 1, dotted(("k\n",)), "bad"))


def test_a_near_miss_is_named() -> None:
    assert closest("mesage_size", ["message_size", "exempt"]) == "message_size"
    assert closest("staff", ["Staff"]) == "Staff"
    assert closest("zzz", ["message_size"]) is None
    assert closest("x" * 100_000, ["message_size"]) is None
    assert unknown("this key", "STAFF", ["staff"]) == ('this key is unknown, did you mean "staff"?', "")
    assert unknown("this key", "zzz", ["b", "a"]) == ("this key is unknown", "one of b, a")


def test_kinds_of_values_in_words() -> None:
    values = [None, True, 3, 1.5, "x", [], {}]
    assert [kind(value) for value in values] == [
        "nothing",
        "the truth value true",
        "the number 3",
        "the number 1.5",
        'the text "x"',
        "a list",
        "a mapping",
    ]
    assert kind(False, "no") == "the truth value no"

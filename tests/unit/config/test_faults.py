"""Faults as an operator reads them."""

from __future__ import annotations

from mailbox_d.config.faults import ConfigurationError, Fault, did_you_mean, dotted, one_line, shown
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


def test_attack_125_what_the_file_says_stays_on_one_short_line() -> None:
    assert one_line("a\n\r\x1b[2J\x85\u2028\ud800b") == "a\\n\\r\\x1b[2J\\x85\\u2028\\ud800b"
    assert len(shown("x" * 65_536)) == 82
    assert "\n" not in str(Fault("a\nb", 1, 1, dotted(("k\n",)), "bad"))


def test_a_near_miss_is_named() -> None:
    assert did_you_mean("mesage_size", ["message_size", "exempt"]) == 'did you mean "message_size"?'
    assert did_you_mean("STAFF", ["staff"]) == 'did you mean "staff"?'
    assert did_you_mean("zzz", ["b", "a"]) == "known are a, b"
    assert did_you_mean("zzz", []) == ""

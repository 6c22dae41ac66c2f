"""As whom mail is forwarded, and to whom reports about it go."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.relay.intake.forwarding import Forwarding

ALICE, SALES = EmailAddress.parse("alice@example.org"), EmailAddress.parse("sales@example.org")
BOB = EmailAddress.parse("bob@example.net")
LONG = EmailAddress.parse("bounce-" + "1" * 50 + "@list.example.net")


def forwarding(folder: Path, *, rewrites: bool = True) -> Forwarding:
    made = Forwarding(folder / "srs.key", "example.org".__eq__, rewrites=rewrites, clock=lambda: 1_700_000_000.0)
    made.startService()
    return made


def test_somebody_else_s_mail_has_a_sender_of_ours_that_leads_back(tmp_path: Path) -> None:
    sender = forwarding(tmp_path).sender(BOB, SALES)
    assert sender is not None
    assert sender.domain == "example.org"
    assert forwarding(tmp_path).original(sender) == BOB


def test_who_is_nobody_stays_nobody_and_our_users_stay_who_they_are(tmp_path: Path) -> None:
    assert forwarding(tmp_path).sender(None, SALES) is None
    assert forwarding(tmp_path).sender(ALICE, SALES) == ALICE


def test_a_sender_too_long_gives_way_to_the_address_that_forwards(tmp_path: Path) -> None:
    assert forwarding(tmp_path).sender(LONG, SALES) == SALES


def test_who_was_rewritten_before_is_known_after_it_is_switched_off(tmp_path: Path) -> None:
    sender = forwarding(tmp_path).sender(BOB, SALES)
    assert sender is not None
    off = forwarding(tmp_path, rewrites=False)
    assert off.sender(BOB, SALES) == BOB
    assert off.original(sender) == BOB


def test_a_key_that_cannot_be_had_keeps_the_daemon_from_starting(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"srs\.key"):
        forwarding(tmp_path / "missing")

"""The file of special uses."""

from __future__ import annotations

from pathlib import Path

from mailbox_d.address import EmailAddress
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import SpecialUse
from mailbox_d.store.special_use import format_uses, parse, renamed

USES = {"Drafts": SpecialUse.DRAFTS, "Gelöscht/alt": SpecialUse.TRASH}


def test_what_is_written_is_read_again() -> None:
    content = format_uses(USES)
    assert content == b"mailboxd special use 1\n\\Drafts\tDrafts\n\\Trash\tGel&APY-scht/alt\n"
    assert parse(content) == USES


def test_lines_that_say_nothing_to_us_are_passed_over() -> None:
    content = b"mailboxd special use 1\n\\Odd\tx\nno tab\n\\Junk\t\n\\Sent\t&bad\n\\Sent\t\xff\n\n\\Junk\tSpam"
    assert parse(content) == {"Spam": SpecialUse.JUNK}
    assert parse(b"") == {}


def test_a_name_that_only_begins_alike_is_not_renamed() -> None:
    uses = {"a": SpecialUse.SENT, "a/b": SpecialUse.JUNK, "ab": SpecialUse.TRASH}
    assert renamed(uses, "a", "c/d") == {"c/d": SpecialUse.SENT, "c/d/b": SpecialUse.JUNK, "ab": SpecialUse.TRASH}


def test_a_locked_file_costs_a_renamed_mailbox_its_use_and_nothing_else(tmp_path: Path) -> None:
    account = MaildirStore(tmp_path).account(EmailAddress.parse("ann@example.org"))
    account.create("Sent")
    account.assign_special_uses({"Sent": SpecialUse.SENT})
    (tmp_path / "example.org/ann/Maildir/mailboxd-special-use.lock").touch()
    account.rename("Sent", "Gone")
    assert [mailbox.name for mailbox in account.mailboxes()] == ["INBOX", "Gone"]
    assert account.special_uses() == {"Sent": SpecialUse.SENT}

"""What mailboxes are for, in every store."""

from __future__ import annotations

import pytest

from mailbox_d.errors import MailboxNameError
from mailbox_d.store.ports import SpecialUse, Store
from tests.contract.store.mailboxes import ALICE


def test_the_uses_of_mailboxes_are_kept_and_go_along_when_they_are_renamed(store: Store) -> None:
    account = store.account(ALICE)
    assert account.special_uses() is None
    account.create("Entwürfe/neu")
    account.create("Sent")
    account.assign_special_uses({"Entwürfe/neu": SpecialUse.DRAFTS, "Sent": SpecialUse.SENT, "None": SpecialUse.JUNK})
    account.rename("Entwürfe", "Drafts")
    account.delete("Sent")
    uses = {"Drafts/neu": SpecialUse.DRAFTS, "Sent": SpecialUse.SENT, "None": SpecialUse.JUNK}
    assert store.account(ALICE).special_uses() == uses
    account.assign_special_uses({})
    assert store.account(ALICE).special_uses() == {}
    with pytest.raises(MailboxNameError):
        account.assign_special_uses({"../x": SpecialUse.JUNK})


def test_one_mailbox_is_given_a_use_beside_the_others(store: Store) -> None:
    account = store.account(ALICE)
    account.assign_special_use("Entwürfe", SpecialUse.DRAFTS)
    account.assign_special_use("inbox/Sent", SpecialUse.SENT)
    account.assign_special_use("Entwürfe", SpecialUse.ARCHIVE)
    uses = {"Entwürfe": SpecialUse.ARCHIVE, "INBOX/Sent": SpecialUse.SENT}
    assert store.account(ALICE).special_uses() == uses
    with pytest.raises(MailboxNameError):
        account.assign_special_use("../x", SpecialUse.JUNK)

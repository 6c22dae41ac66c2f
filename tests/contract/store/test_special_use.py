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

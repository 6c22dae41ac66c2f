"""Queued mail for domains of ours: into mailboxes, to where aliases lead, or back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import User
from mailbox_d.errors import AuthenticationUnavailable
from mailbox_d.net.lanes import InlineLane
from mailbox_d.policy.recipients import Recipients, ServedDomain
from mailbox_d.queue.message import Attempt, Fate, Notify
from mailbox_d.record.events import Event, Kept
from mailbox_d.relay.dispatch.local_attempt import LocalAttempting
from mailbox_d.relay.intake.deliveries import Intake, Outgoing
from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.ports import INBOX, QuotaLimits
from mailbox_d.store.quota import QuotaRules
from tests.unit.relay.at_once import done
from tests.unit.relay.queued import Queued

ALICE, BOB = EmailAddress.parse("alice@example.org"), EmailAddress.parse("bob@example.org")
CAROL = EmailAddress.parse("carol@example.com")


def made_of(sender: EmailAddress) -> EmailAddress:
    """An address of ours that leads back to a sender."""
    return EmailAddress.parse(f"SRS0=K3QX7B=UN={sender.domain}={sender.local_part}@example.org")


class Realm:
    """Alice, bob, and aliases."""

    name = "staff"
    is_down = False
    aliases = {"away@example.org": (CAROL,), "all@example.org": (ALICE, BOB, CAROL)}

    async def find_user(self, address: EmailAddress) -> User | None:
        if self.is_down:
            raise AuthenticationUnavailable("Users cannot be looked up now")
        return User(address) if address in (ALICE, BOB) else None

    async def user_of_alias(self, address: EmailAddress) -> User | None:
        return None

    async def alias(self, address: EmailAddress) -> tuple[EmailAddress, ...] | None:
        return self.aliases.get(str(address))


@dataclass
class World:
    folder: Path
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queued = Queued(self.folder)
        self.realm = Realm()
        quotas = {BOB: QuotaLimits(10)}
        self.store = MemoryStore(quotas=QuotaRules(quotas.get))
        recipients = Recipients({"example.org": ServedDomain(self.realm)})  # type: ignore[arg-type]
        outgoing = Outgoing(self.queued.queue, lambda sender, via: sender and via, lambda: None)
        self.local = LocalAttempting(
            self.queued.queue,
            InlineLane(),
            recipients,
            Intake(self.store, "mail.example.org", outgoing),
            self,
            {made_of(CAROL): CAROL, made_of(ALICE): ALICE}.get,
            hostname="mail.example.org",
            clock=lambda: self.queued.now,
        )

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def attempt(
        self, *recipients: str, notify: Notify = Notify.FAILURE, sender: EmailAddress | None = CAROL
    ) -> dict[str, Attempt]:
        self.queued.add("A", *recipients, sender=sender, notify=notify)
        parcel = self.queued.load("example.org").parcel
        attempts: list[Attempt] = done(self.local.attempt(parcel))
        assert len(attempts) == len(recipients)
        return {each.recipient.local_part: each for each in attempts}

    def messages(self, user: EmailAddress) -> int:
        return self.store.account(user).open(INBOX).status().messages


def test_it_is_delivered_and_the_record_knows_where(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.attempt("alice@example.org")["alice"].fate is Fate.DELIVERED
    assert world.messages(ALICE) == 1
    (kept,) = world.events
    assert isinstance(kept, Kept)
    assert (kept.identifier, kept.account) == ("A", ALICE)


def test_nobody_is_a_failure_and_a_full_mailbox_one_for_now(tmp_path: Path) -> None:
    world = World(tmp_path)
    said = world.attempt("nobody@example.org", "bob@example.org", "alice@example.org")
    assert (said["nobody"].fate, said["nobody"].status) == (Fate.FAILED, "5.1.1")
    assert (said["bob"].fate, said["bob"].status) == (Fate.DEFERRED, "4.2.2")
    assert said["alice"].fate is Fate.DELIVERED


def test_a_realm_that_does_not_answer_is_never_an_unknown_user(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.realm.is_down = True
    assert world.attempt("alice@example.org")["alice"].fate is Fate.DEFERRED


def test_an_alias_that_leads_elsewhere_has_its_mail_queued_anew(tmp_path: Path) -> None:
    world = World(tmp_path)
    said = world.attempt("away@example.org", notify=Notify.SUCCESS | Notify.FAILURE)
    assert (said["away"].fate, said["away"].host) == (Fate.DELIVERED, "mail.example.org")
    (recipient,) = world.queued.load("example.com").parcel.waiting
    assert recipient.address == CAROL
    assert recipient.notify == Notify.FAILURE


def test_of_several_that_one_address_leads_to_each_has_an_outcome_of_its_own(tmp_path: Path) -> None:
    """Else a full mailbox would give the others another copy with each attempt."""
    world = World(tmp_path)
    said = world.attempt("all@example.org", notify=Notify.SUCCESS | Notify.FAILURE)
    assert (said["all"].fate, said["all"].host) == (Fate.DELIVERED, "mail.example.org")
    assert world.messages(ALICE) == 0
    jobs = [world.queued.load("example.org").parcel, world.queued.load("example.com").parcel]
    anew = next(job for job in jobs if job.message.identifier != "A" and job.waiting[0].address != CAROL)
    assert [each.address for each in anew.waiting] == [ALICE, BOB]
    assert {each.notify for each in anew.waiting} == {Notify.FAILURE}
    again: list[Attempt] = done(world.local.attempt(anew))
    assert [each.fate for each in again] == [Fate.DELIVERED, Fate.DEFERRED]
    assert world.messages(ALICE) == 1


def test_who_is_named_beside_an_address_that_leads_to_them_has_one_copy(tmp_path: Path) -> None:
    """A full mailbox that is named as well is tried again as what it was named as, and is no success meanwhile."""
    world = World(tmp_path)
    names = ("all@example.org", "alice@example.org", "bob@example.org")
    said = world.attempt(*names, notify=Notify.SUCCESS | Notify.FAILURE)
    assert [said[name].fate for name in ("all", "alice", "bob")] == [Fate.DELIVERED, Fate.DELIVERED, Fate.DEFERRED]
    assert (said["all"].host, said["alice"].host) == ("mail.example.org", "")
    assert [each.address for each in world.queued.load("example.com").parcel.waiting] == [CAROL]
    assert world.queued.loading.next("example.org") is None
    assert world.messages(ALICE) == 1


def test_a_report_goes_back_to_who_sent_what_was_forwarded(tmp_path: Path) -> None:
    world = World(tmp_path)
    said = world.attempt(str(made_of(CAROL)), str(made_of(ALICE)), sender=None)
    assert [each.fate for each in said.values()] == [Fate.DELIVERED] * 2
    loaded = world.queued.load("example.com")
    assert [recipient.address for recipient in loaded.parcel.waiting] == [CAROL]
    assert loaded.parcel.message.envelope.sender is None
    assert world.messages(ALICE) == 1


def test_an_address_for_reports_takes_nothing_else_and_no_other_s(tmp_path: Path) -> None:
    for number, (address, sender) in enumerate([(made_of(CAROL), CAROL), (made_of(BOB), None)]):
        world = World(tmp_path / str(number))
        (said,) = world.attempt(str(address), sender=sender).values()
        assert (said.fate, said.status) == (Fate.FAILED, "5.1.1")

"""Where users' Maildirs are to lie: what the realm may name, what is made, and what is nobody's."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from twisted.logger import globalLogPublisher

from mailbox_d.address import EmailAddress
from mailbox_d.errors import NoSuchMailbox, OverQuota, StorageFault
from mailbox_d.record.whereabouts import Whereabouts
from mailbox_d.seldom import AGAIN
from mailbox_d.store.files import FileSystem
from mailbox_d.store.layout import Layout
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import Account, Block, FlagAction, Mailbox, QuotaLimits, Receipt, Refusal, Target
from mailbox_d.store.quota import QuotaRules
from mailbox_d.store.residences import Residence, ResidenceFault, ResidenceRules
from mailbox_d.store.upkeep.accounts import every_account, one_account
from mailbox_d.store.upkeep.release import Release

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
OWN = "example.org/alice/Maildir"


@dataclass
class Site:
    """A store over a folder; `said` has what the realm says of each user."""

    root: Path
    said: dict[EmailAddress, Residence | None] = field(default_factory=dict)
    now: float = 1000.0
    files: FileSystem = field(default_factory=FileSystem)
    domains: frozenset[str] = frozenset({"example.org"})

    def __post_init__(self) -> None:
        self.root.mkdir(exist_ok=True)
        rules = ResidenceRules(self.said.get, self.domains)
        self.store = MaildirStore(self.root, files=self.files, residences=rules, clock=lambda: self.now)

    def has(self, maildir: str | None = None, *, of: EmailAddress = ALICE, provision: bool = True) -> None:
        """The realm says it from now on."""
        self.said[of] = Residence(maildir, provision)

    def deliver(self, address: EmailAddress = ALICE) -> Receipt:
        delivery = self.store.deliver([Block(b"", (Target(address),))])
        delivery.write(b"Subject: x\r\n\r\n")
        (outcome,) = delivery.commit(all_or_nothing=True)
        assert isinstance(outcome, Receipt)
        return outcome

    def messages(self, maildir: str) -> int:
        return sum(1 for part in ("new", "cur") for _ in (self.root / maildir / part).iterdir())

    def refuses(self, address: EmailAddress = ALICE) -> str:
        """Why there is no mailbox: for every way in alike."""
        causes: set[str] = set()
        ways: tuple[Callable[[], object], ...] = (
            lambda: self.store.account(address),
            lambda: self.store.has_room(address, 1),
            lambda: self.deliver(address),
        )
        for way in ways:
            with pytest.raises(StorageFault) as error:
                way()
            causes.add(error.value.cause)
        (cause,) = causes
        return cause


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "root")


def make(path: Path) -> Path:
    for part in ("cur", "new", "tmp"):
        (path / part).mkdir(parents=True)
    return path


def test_a_maildir_is_made_where_the_realm_has_it_and_all_find_it_there(site: Site) -> None:
    site.has("staff/alice/")
    receipt = site.deliver()
    assert len(site.store.account(ALICE).open("INBOX").messages()) == 1
    assert site.messages("staff/alice") == 1
    assert os.readlink(site.root / OWN) == "../../staff/alice"
    layout = Layout(site.root)
    places = list(every_account(site.store.disk, layout))
    assert [(each.user, each.maildir) for each in places] == [(str(ALICE), os.fsencode(site.root / "staff/alice"))]
    assert one_account(site.store.disk, layout, str(ALICE)) == places[0]
    assert Whereabouts(FileSystem(), layout).places(ALICE, receipt.name)[0].mailbox == "INBOX"


def test_a_whole_path_below_the_root_is_the_same(site: Site) -> None:
    site.has(str(site.root / "staff/alice"))
    site.deliver()
    assert site.messages("staff/alice") == 1


def test_a_maildir_that_looks_like_another_domain_s_is_one_account(site: Site) -> None:
    site.has("staff.example/alice/Maildir")
    site.deliver()
    assert [each.user for each in every_account(site.store.disk, Layout(site.root))] == [str(ALICE)]


def test_one_that_is_there_is_taken_over(site: Site) -> None:
    make(site.root / "staff/alice")
    (site.root / "staff/alice/new/1.x").write_bytes(b"Subject: old\n\n")
    site.has("staff/alice", provision=False)
    assert len(site.store.account(ALICE).open("INBOX").messages()) == 1


def test_an_operator_s_link_says_it_before_the_user_comes(site: Site) -> None:
    make(site.root / "staff/alice")
    (site.root / OWN).parent.mkdir(parents=True)
    (site.root / OWN).symlink_to("../../staff/alice")
    assert one_account(site.store.disk, Layout(site.root), str(ALICE)).maildir.endswith(b"/staff/alice")
    site.has("staff/alice")
    site.deliver()
    assert site.messages("staff/alice") == 1
    assert (site.root / "staff/alice/mailboxd-owner").exists()


def test_a_user_moves_when_the_realm_says_so(site: Site) -> None:
    site.has("old/alice")
    site.deliver()
    (site.root / "later").mkdir()
    (site.root / "old/alice").rename(site.root / "later/alice")
    site.has("later/alice", provision=False)
    site.deliver()
    assert site.messages("later/alice") == 2


def test_who_is_not_known_now_or_no_longer_somewhere_else_stays(site: Site) -> None:
    site.has("staff/alice")
    site.deliver()
    site.said[ALICE] = None
    site.deliver()
    site.has(None)
    site.deliver()
    assert site.messages("staff/alice") == 3


@pytest.mark.parametrize("said", [None, Residence(), Residence(provision=False)])
def test_an_old_link_leads_to_no_other_s_mail(site: Site, said: Residence | None) -> None:
    site.has("staff/alice")
    site.deliver()
    (site.root / "staff/alice/mailboxd-owner").unlink()
    site.has("staff/alice", of=BOB)
    site.deliver(BOB)
    site.said[ALICE] = said
    assert "bob@example.org" in site.refuses()


def test_an_old_link_to_nothing_makes_nothing(site: Site) -> None:
    site.has("staff/alice")
    site.deliver()
    (site.root / "staff").rename(site.root / "away")
    site.has(None)
    assert "link" in site.refuses()
    assert not (site.root / "staff").exists()


def test_nothing_is_made_for_who_is_not_known_now(site: Site) -> None:
    assert "nothing is known" in site.refuses()
    assert list(site.root.iterdir()) == []


@pytest.mark.parametrize("maildir", [None, "staff/alice"])
def test_without_provision_nothing_is_made(site: Site, maildir: str | None) -> None:
    site.has(maildir, provision=False)
    assert "provision" in site.refuses()
    assert list(site.root.iterdir()) == []
    make(site.root / (maildir or OWN))
    site.deliver()


OPEN: dict[str, Callable[[Site, Account, Mailbox], object]] = {
    "refresh": lambda site, account, inbox: inbox.refresh(),
    "select": lambda site, account, inbox: account.open("INBOX"),
    "select another": lambda site, account, inbox: account.open("Archive"),
    "append": lambda site, account, inbox: appended(inbox),
    "copy": lambda site, account, inbox: inbox.copy([1], inbox),
    "flags": lambda site, account, inbox: inbox.change_flags([1], FlagAction.ADD, frozenset({"\\Seen"})),
    "expunge": lambda site, account, inbox: inbox.expunge([1]),
    "read": lambda site, account, inbox: inbox.read(1),
    "list": lambda site, account, inbox: account.mailboxes(),
    "lsub": lambda site, account, inbox: account.subscriptions(),
    "create": lambda site, account, inbox: account.create("Work"),
    "rename": lambda site, account, inbox: account.rename("INBOX", "Old"),
    "subscribe": lambda site, account, inbox: account.subscribe("Archive"),
    "quick delivery": lambda site, account, inbox: site.deliver(),
}
"""What goes on in a session that is open, and beside it."""


def appended(inbox: Mailbox) -> None:
    append = inbox.append(size=3)
    append.write(b"x\r\n")
    append.commit(all_or_nothing=True)


def unmount(place: Path) -> None:
    """The Maildir's disk goes: an empty folder is left, to which it belonged."""
    place.rename(place.with_name("elsewhere"))
    place.mkdir()


@pytest.mark.parametrize("does", OPEN)
@pytest.mark.parametrize("is_whole_disk", [True, False], ids=["the Maildir is the disk", "the folder above is"])
@pytest.mark.parametrize("maildir", [None, "disk/alice/mail"])
def test_who_has_it_open_makes_no_maildir_where_the_disk_has_gone(
    site: Site, maildir: str | None, is_whole_disk: bool, does: str
) -> None:
    site.has(maildir, provision=False)
    place = make(site.root / (maildir or OWN))
    site.deliver()
    account = site.store.account(ALICE)
    account.create("Archive")
    inbox = account.open("INBOX")
    feed = inbox.feed()
    disk = place if is_whole_disk else place.parent
    unmount(disk)
    site.now += 60
    with pytest.raises(StorageFault):
        OPEN[does](site, account, inbox)
    assert list(disk.iterdir()) == []
    assert len(inbox.messages()) == 1 and not feed.take()
    assert "provision" in site.refuses()


def test_a_part_that_another_program_removed_is_made_again(site: Site) -> None:
    site.has(provision=False)
    place = make(site.root / OWN)
    inbox = site.store.account(ALICE).open("INBOX")
    for part in ("new", "tmp"):
        (place / part).rmdir()
        inbox.refresh()
        appended(inbox)
        assert (place / part).is_dir()


def test_a_folder_that_cannot_be_made_is_its_own_recipient_s_fault(site: Site) -> None:
    site.has()
    site.has(of=BOB)
    (site.root / "example.org").mkdir()
    (site.root / "example.org/alice").write_text("")
    delivery = site.store.deliver([Block(b"", (Target(ALICE), Target(BOB)))])
    delivery.write(b"Subject: x\r\n\r\n")
    assert [type(outcome) for outcome in delivery.commit(all_or_nothing=False)] == [Refusal, Receipt]


def test_a_large_message_for_nobody_else_is_told_of_the_same_fault(site: Site) -> None:
    site.has(provision=False)
    delivery = site.store.deliver([Block(b"", (Target(ALICE),))])
    delivery.write(b"x" * 10**6)
    with pytest.raises(ResidenceFault):
        delivery.commit(all_or_nothing=True)
    (outcome,) = delivery.commit(all_or_nothing=False)
    assert isinstance(outcome, Refusal) and isinstance(outcome.error, ResidenceFault)
    assert list(site.root.iterdir()) == []


def test_a_plain_user_s_maildir_is_not_another_one_s(tmp_path: Path) -> None:
    """A folder that was no domain's when the realm named it."""
    alice = EmailAddress.parse("alice@staff.example")
    place = "staff.example/alice/Maildir"
    site = Site(tmp_path / "root")
    site.has(place)
    site.deliver()
    later = Site(site.root, domains=frozenset({"example.org", "staff.example"}))
    later.has(of=alice)
    assert "alice@example.org" in later.refuses(alice)
    (site.root / place / "mailboxd-owner").unlink()
    assert len(later.store.account(alice).open("INBOX").messages()) == 1


def test_mail_is_not_left_where_the_realm_had_it(site: Site) -> None:
    site.has("a/alice")
    site.deliver()
    site.has("b/alice")
    assert "a/alice': move it to" in site.refuses()
    assert not (site.root / "b").exists()
    (site.root / "a/alice/mailboxd-owner").unlink()  # nobody's it is, and the user's link leads there
    assert "a/alice': move it to" in site.refuses()
    site.has("a/alice")
    site.deliver()
    assert site.messages("a/alice") == 2


def test_a_place_that_is_another_one_s_by_now_keeps_nobody(site: Site) -> None:
    site.has("a/alice")
    site.deliver()
    (site.root / "a/alice/mailboxd-owner").unlink()
    site.has("a/alice", of=BOB)
    site.deliver(BOB)
    site.has("b/alice")
    site.deliver()
    assert (site.messages("a/alice"), site.messages("b/alice")) == (2, 1)


class BothHaveLooked:
    """A lock that nobody takes before two want it."""

    def __init__(self) -> None:
        self.lock, self.gate, self.taken = threading.Lock(), threading.Barrier(2, timeout=60), 0

    def __enter__(self) -> None:
        self.gate.wait()
        self.lock.acquire()
        self.taken += 1

    def __exit__(self, *exc: object) -> None:
        self.lock.release()


@pytest.mark.parametrize("places", [("a/b", "a/b/c"), ("a/b", "a/b")], ids=["nested", "the same"])
def test_of_two_who_move_in_at_once_one_gets_in(site: Site, places: tuple[str, str]) -> None:
    site.store._homes._making = lock = BothHaveLooked()  # type: ignore[assignment]
    out: list[str] = []

    def move_in(user: EmailAddress) -> None:
        try:
            out.append(str(site.store.account(user).address))
        except ResidenceFault as fault:
            out.append(fault.cause)

    threads = []
    for user, place in zip((ALICE, BOB), places, strict=True):
        site.has(place, of=user)
        threads.append(threading.Thread(target=move_in, args=(user,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len([word for word in out if word in (str(ALICE), str(BOB))]) == 1, out
    assert lock.taken == 2


def test_a_place_with_a_new_owner_has_the_new_one_s_quota(tmp_path: Path) -> None:
    limits = {ALICE: QuotaLimits(10**6, None), BOB: QuotaLimits(1000, None)}
    said: dict[EmailAddress, Residence | None] = {ALICE: Residence("staff/1")}
    rules = ResidenceRules(said.get, frozenset({"example.org"}))
    store = MaildirStore(tmp_path, residences=rules, quotas=QuotaRules(limits.get))
    before = store.account(ALICE).open("INBOX")
    assert store.has_room(ALICE, 10**5)
    said.update({ALICE: None, BOB: Residence("staff/1")})
    (tmp_path / "staff/1/mailboxd-owner").unlink()
    assert not store.has_room(BOB, 10**5)
    after = store.account(BOB).open("INBOX")
    with pytest.raises(OverQuota):
        after.append(size=10**5)
    assert after is store.account(BOB).open("INBOX")
    with pytest.raises(NoSuchMailbox):
        before.refresh()


def test_who_had_a_place_before_has_no_account_there(site: Site) -> None:
    """Nothing that is done to the old user's account is done to the new one's."""
    site.has("staff/1")
    site.deliver()
    (site.root / "staff/1/mailboxd-owner").unlink()
    site.has("staff/1", of=BOB)
    site.deliver(BOB)
    layout = Layout(site.root)
    with pytest.raises(NoSuchMailbox) as error:
        one_account(site.store.disk, layout, str(ALICE))
    assert "another user's" in error.value.cause
    assert [each.user for each in every_account(site.store.disk, layout)] == [str(BOB)]


def test_a_maildir_that_is_handed_back_stays_its_user_s(site: Site) -> None:
    site.has("staff/1")
    site.deliver()
    release = Release(site.store.disk, lambda user: 0, purges=True, patience=0)
    list(release.accounts([one_account(site.store.disk, Layout(site.root), str(ALICE))]))
    site.has("staff/1", of=BOB)
    assert "alice@example.org" in site.refuses(BOB)


class QuickerOne(FileSystem):
    """Another process says whose the Maildir is, just before we do."""

    def link(self, source: bytes, destination: bytes) -> None:
        if destination.endswith(b"mailboxd-owner"):
            Path(os.fsdecode(destination)).write_bytes(b"mailboxd owner 1\nbob@example.org\n")
        super().link(source, destination)


def test_where_another_process_was_quicker_it_is_the_other_one_s(tmp_path: Path) -> None:
    site = Site(tmp_path / "root", files=QuickerOne())
    site.has("staff/both")
    with pytest.raises(ResidenceFault, match="not available") as error:
        site.store.account(ALICE)
    assert "bob@example.org" in error.value.cause
    assert not (site.root / OWN).exists()


def test_a_draft_that_was_left_behind_is_in_nobody_s_way(site: Site) -> None:
    draft = f"mailboxd-owner.{os.getpid()}.{threading.get_ident()}"
    (make(site.root / "staff/alice") / "tmp" / draft).write_text("half")
    site.has("staff/alice")
    site.deliver()
    assert (site.root / "staff/alice/mailboxd-owner").read_text().endswith("alice@example.org\n")


class NoLinks(FileSystem):
    def link(self, source: bytes, destination: bytes) -> None:
        assert not destination.endswith(b"mailboxd-owner"), "it says already whose it is"
        super().link(source, destination)


def test_a_maildir_that_says_whose_it_is_is_not_marked_again(site: Site) -> None:
    site.has("old/alice")
    site.deliver()
    (site.root / "old").rename(site.root / "later")
    later = Site(site.root, files=NoLinks())
    later.has("later/alice")
    assert len(later.store.account(ALICE).open("INBOX").messages()) == 1


class FoldingFiles(FileSystem):
    """A disk on which two spellings are one folder."""

    def lstat(self, path: bytes) -> os.stat_result:
        return super().lstat(path.replace(b"\xc5\xbfales", b"sales"))


def test_a_disk_on_which_two_spellings_are_one_folder(tmp_path: Path) -> None:
    site = Site(tmp_path / "root", files=FoldingFiles(), domains=frozenset({"example.org", "sales.example"}))
    place = make(site.root / "sales.example/bob/Maildir")
    site.has("\u017fales.example/bob/Maildir")
    assert "sales.example, and not" in site.refuses()
    assert not (place / "mailboxd-owner").exists()


class NoNew(FileSystem):
    def mkdir(self, path: bytes) -> None:
        if path.endswith(b"/new"):
            raise PermissionError
        super().mkdir(path)


@pytest.mark.parametrize("maildir", [None, "staff/alice"])
def test_half_a_maildir_is_none(tmp_path: Path, maildir: str | None) -> None:
    site = Site(tmp_path / "root", files=NoNew())
    site.has(maildir)
    with pytest.raises(StorageFault):
        site.store.account(ALICE)
    assert not (site.root / (maildir or OWN) / "cur").exists()


@pytest.mark.parametrize("maildir", [None, "staff/alice"])
def test_to_ask_for_room_makes_nothing(site: Site, maildir: str | None) -> None:
    site.has(maildir)
    assert site.store.has_room(ALICE, 1)
    assert list(site.root.iterdir()) == []


@pytest.mark.parametrize(
    "maildir",
    [
        *("", "/", ".", "..", "../../root", "staff/../../root", "staff//alice", "./alice", ".alice", "staff/.alice"),
        *("staff/cur", "staff/New", "tmp", "cur/alice", "staff/TMP/alice"),
        *("/root", "/", " ", "staff /alice", "a\0b", "a\nb", "x" * 256, "/".join("x" * 17), "\udcff"),
        *("example.org", "example.org/bob/Maildir", "example.org/bob", "Example.ORG/bob/Maildir"),
        *("example.org/alice", "example.org/alice/Maildir/cur"),
    ],
)
def test_what_no_maildir_can_lie_at(site: Site, maildir: str) -> None:
    site.has(maildir)
    site.refuses()
    assert list(site.root.iterdir()) == []


def test_a_place_beside_the_root_is_not_below_it(site: Site) -> None:
    site.has(f"{site.root}-other/alice")
    assert "not below" in site.refuses()


def test_no_link_is_followed(site: Site, tmp_path: Path) -> None:
    elsewhere = make(tmp_path / "elsewhere/alice")
    (site.root / "staff").symlink_to(elsewhere.parent)
    (site.root / "alice").symlink_to(elsewhere)
    for maildir in ("staff/alice", "alice"):
        site.has(maildir)
        assert "no directory" in site.refuses()
    assert {path.name for path in elsewhere.rglob("*")} == {"cur", "new", "tmp"}


def test_two_users_in_one_place_are_one_and_a_fault(site: Site) -> None:
    site.has("staff/both")
    site.has("staff/both/", of=BOB)
    site.deliver()
    assert "alice@example.org" in site.refuses(BOB)
    site.deliver()
    assert site.messages("staff/both") == 2


def test_nobody_is_inside_another_one_or_around_it(site: Site) -> None:
    site.has("staff/alice")
    site.deliver()
    for maildir in ("staff/alice/bob", "staff/alice/x/y"):
        site.has(maildir, of=BOB)
        assert "inside another" in site.refuses(BOB)
    site.has("staff", of=BOB)
    assert "something else" in site.refuses(BOB)


def test_a_folder_of_another_system_user_is_not_touched(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    make(site.root / "staff/alice")
    site.has("staff/alice")
    monkeypatch.setattr("mailbox_d.store.residences.os.geteuid", lambda: os.getuid() + 1)
    assert "belongs to" in site.refuses()


def test_mail_that_lies_by_the_address_is_not_left_behind(site: Site) -> None:
    site.has(None)
    site.deliver()
    site.has("staff/alice")
    assert "move it" in site.refuses()
    site.has(OWN)
    site.deliver()
    assert site.messages(OWN) == 2


def test_a_link_where_the_maildir_itself_is_to_be(site: Site) -> None:
    site.has("staff/alice")
    site.deliver()
    site.has(OWN)
    assert "is a link" in site.refuses()


def test_what_ended_in_the_middle_is_done_again(site: Site) -> None:
    make(site.root / "staff/alice").joinpath("cur").rmdir()
    site.has("staff/alice")
    site.deliver()
    assert (site.root / OWN).is_symlink()


def test_the_log_says_it_once_a_while(site: Site) -> None:
    lines: list[str] = []
    site.has("../root")
    globalLogPublisher.addObserver(observe := lambda event: lines.append(str(event.get("cause"))))
    try:
        for _ in range(3):
            site.refuses()
        assert len(lines) == 1
        site.now += AGAIN
        with pytest.raises(ResidenceFault):
            site.store.account(ALICE)
        assert len(lines) == 2
    finally:
        globalLogPublisher.removeObserver(observe)

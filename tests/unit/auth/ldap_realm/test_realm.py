"""A realm over a directory that is made up: look-ups, logins, what is kept, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import globalLogPublisher

from mailbox_d.address import EmailAddress
from mailbox_d.auth.ldap_realm.bounds import DEFAULT_BOUNDS
from mailbox_d.auth.ldap_realm.directory import Query
from mailbox_d.auth.ldap_realm.entries import Entry
from mailbox_d.auth.ldap_realm.realm import DirectoryRealm
from mailbox_d.auth.realm import Service, User
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable

T = TypeVar("T")

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.org")
SMITH = EmailAddress.parse("a.smith@example.org")
SALES = EmailAddress.parse("sales@example.org")
NOBODY = EmailAddress.parse("nobody@example.org")

ALICE_DN = "uid=alice,dc=example"
ALICE_ENTRY = Entry(ALICE_DN, {"mail": (b"alice@example.org",), "alias": (b"a.smith@example.org",)})
BOB_ENTRY = Entry("uid=bob,dc=example", {"mail": (b"bob@example.org",)})


def result(coroutine: Coroutine[Deferred[Any], Any, T]) -> T:
    return Deferred.fromCoroutine(coroutine).result  # type: ignore[return-value]


class FakeDirectory:
    """Answers by the query's base and filter; `down`: it cannot be asked; `gone`: entries that are
    there no more."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.answers: dict[tuple[str, str], tuple[Entry, ...]] = {}
        self.passwords = {ALICE_DN: b"pass", "uid=bob,dc=example": b"word"}
        self.searches: list[Query] = []
        self.binds: list[tuple[str, bytes]] = []
        self.down = False
        self.answering: Callable[[], None] = lambda: None

    def search(self, query: Query) -> tuple[Entry, ...]:
        self.searches.append(query)
        self._answer()
        if query.is_known and query.base in self.gone:
            raise AuthenticationUnavailable("The user directory does not answer")
        return self.answers.get((query.base, query.filter), ())

    def accepts(self, dn: str, password: bytes) -> bool:
        self.binds.append((dn, password))
        self._answer()
        return self.passwords.get(dn) == password

    def _answer(self) -> None:
        self.answering()
        if self.down:
            raise AuthenticationUnavailable("The user directory does not answer")


class Place:
    """A realm, its directory, and a clock that stands."""

    def __init__(self, **more: object) -> None:
        self.now = 1000.0
        self.held: list[Deferred[None]] | None = None
        self.directory = FakeDirectory()
        for address, entry in ((ALICE, ALICE_ENTRY), (SMITH, ALICE_ENTRY), (BOB, BOB_ENTRY)):
            self.holds(f"(mail={address})", entry)
        keys = {"uris": ["ldaps://ldap.example.net"], "base": "dc=example", "user_filter": "(mail={address})"}
        settings = LdapRealm.model_validate(
            {**keys, "attributes": {"aliases": "alias"}, **more}, context={"folder": Path("/")}
        )
        self.realm = DirectoryRealm("staff", settings, self.directory, run=self.run, clock=lambda: self.now)

    def holds(self, filter_: str, *entries: Entry, base: str = "dc=example") -> None:
        self.directory.answers[base, filter_] = entries

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def hold(self) -> list[Deferred[None]]:
        """From now on work waits until one of these fires."""
        self.held = []
        return self.held

    async def run(self, work: Callable[..., T], /, *args: object) -> T:
        if self.held is not None:
            self.held.append(Deferred())
            await self.held[-1]
        return work(*args)

    def login(self, address: EmailAddress, password: bytes, service: Service = Service.IMAP) -> User:
        return result(self.realm.authenticate(address, password, service)).user

    def refusal(self, address: EmailAddress, password: bytes, service: Service = Service.IMAP) -> AuthenticationFailed:
        with pytest.raises(AuthenticationFailed) as error:
            raise_failure(self.realm.authenticate(address, password, service))
        return error.value


def raise_failure(coroutine: Coroutine[Deferred[Any], Any, object]) -> None:
    failures: list[Any] = []
    Deferred.fromCoroutine(coroutine).addErrback(failures.append)
    if failures:
        failures[0].raiseException()


def test_users_and_their_aliases() -> None:
    realm = Place().realm
    alice = User(ALICE, aliases=(SMITH,))
    assert result(realm.find_user(ALICE)) == alice
    assert result(realm.user_of_alias(ALICE)) is None
    assert result(realm.find_user(SMITH)) is None
    assert result(realm.user_of_alias(SMITH)) == alice
    assert result(realm.find_user(NOBODY)) is None
    assert result(realm.alias(ALICE)) is None


def test_what_is_known_is_told_without_asking() -> None:
    place = Place()
    assert place.realm.known_user(ALICE) is None
    result(place.realm.find_user(ALICE))
    place.now += 1e6
    place.directory.down = True
    assert place.realm.known_user(ALICE) == User(ALICE, aliases=(SMITH,))
    assert len(place.directory.searches) == 1


def test_answers_hold_for_their_time_also_while_the_directory_is_down() -> None:
    place = Place(cache="30 s")
    for _ in range(3):
        result(place.realm.find_user(ALICE))
        result(place.realm.find_user(NOBODY))
    assert len(place.directory.searches) == 2
    place.directory.down = True
    place.now += 29
    assert result(place.realm.find_user(ALICE)) is not None
    place.now += 1
    for address in (ALICE, NOBODY):
        with pytest.raises(AuthenticationUnavailable):
            raise_failure(place.realm.find_user(address))
    place.directory.down = False
    assert result(place.realm.find_user(ALICE)) is not None


def test_made_up_addresses_drive_no_user_out() -> None:
    place = Place()
    result(place.realm.find_user(ALICE))
    for number in range(DEFAULT_BOUNDS.remembered + 1):
        result(place.realm.find_user(EmailAddress(f"made.up{number}", "example.org")))
    assert place.realm.known_user(ALICE) is not None


def test_whose_mail_comes_by_an_alias_is_known_too() -> None:
    place = Place()
    result(place.realm.user_of_alias(SMITH))
    assert place.realm.known_user(ALICE) == User(ALICE, aliases=(SMITH,))
    result(place.realm.find_user(ALICE))
    assert len(place.directory.searches) == 2  # it may be another entry


def test_login_by_bind_alone() -> None:
    place = Place(login_cache=0)
    assert place.login(ALICE, b"pass").address == ALICE
    place.directory.passwords[ALICE_DN] = b"new"
    assert place.refusal(ALICE, b"pass").public == "Authentication failed"
    place.directory.down = True
    with pytest.raises(AuthenticationUnavailable):
        raise_failure(place.realm.authenticate(ALICE, b"new", Service.IMAP))


def test_a_bind_holds_for_its_time_also_while_the_directory_is_down() -> None:
    place = Place(login_cache="30 s", cache="1 h")
    place.login(ALICE, b"pass")
    place.directory.passwords[ALICE_DN] = b"new"
    place.now += 29
    place.directory.down = True
    assert place.login(ALICE, b"pass").address == ALICE
    assert len(place.directory.binds) == 1
    for password in (b"new", b"wrong"):
        with pytest.raises(AuthenticationUnavailable):
            raise_failure(place.realm.authenticate(ALICE, password, Service.IMAP))
    place.directory.down = False
    place.now += 1
    place.refusal(ALICE, b"pass")


def test_who_is_not_to_be_is_not_let_in_by_a_bind_of_before() -> None:
    place = Place(login_cache="1 h", cache="1 min", disabled="(locked=yes)", services={"pop3": "(may=pop3)"})
    place.login(ALICE, b"pass")
    place.refusal(ALICE, b"pass", Service.POP3)
    place.holds("(locked=yes)", ALICE_ENTRY, base=ALICE_DN)
    place.now += 60
    assert place.refusal(ALICE, b"pass").cause == "the user is disabled"


def test_attack_40_two_users_with_one_password() -> None:
    place = Place()
    place.login(ALICE, b"pass")
    place.refusal(BOB, b"pass")
    place.directory.passwords[BOB_ENTRY.dn] = b"pass"
    assert place.login(BOB, b"pass").address == BOB
    place.directory.passwords[BOB_ENTRY.dn] = b"word"
    place.login(ALICE, b"pass")
    place.refusal(BOB, b"wor")


def test_another_password_s_bind_and_a_failed_one_end_what_was_kept() -> None:
    place = Place()
    place.login(ALICE, b"pass")
    place.directory.passwords[ALICE_DN] = b"new"
    place.login(ALICE, b"new")
    place.refusal(ALICE, b"pass")
    assert len(place.directory.binds) == 3
    place.login(ALICE, b"new")
    assert len(place.directory.binds) == 4  # after a failure it has to be proved again
    result(place.realm.refresh())
    place.login(ALICE, b"new")
    assert len(place.directory.binds) == 5


def test_equal_look_ups_under_way_are_one() -> None:
    place = Place(groups={"base": "ou=groups", "filter": "(mail={address})"})
    waiting = place.hold()
    asked = [Deferred.fromCoroutine(place.realm.find_user(ALICE)) for _ in range(1000)]
    asked += [Deferred.fromCoroutine(place.realm.user_of_alias(ALICE)) for _ in range(10)]
    members = [Deferred.fromCoroutine(place.realm.alias(SALES)) for _ in range(10)]
    other = Deferred.fromCoroutine(place.realm.find_user(BOB))
    gone = asked.pop(0)
    gone.addErrback(lambda failure: None)
    gone.cancel()
    assert len(waiting) == 3
    for one in waiting:
        one.callback(None)
    assert {each.result.address for each in asked[:999]} == {ALICE}  # type: ignore[attr-defined]
    assert [each.result for each in members] == [None] * 10
    assert other.result is not None
    assert len(place.directory.searches) == 3


WIDE = "\uff41lice@example.org"
"""Equal to Alice's address for us; the directory does not find it."""


def test_attack_96_what_the_directory_does_not_find_of_an_odd_way_to_write_says_nothing_of_the_user() -> None:
    place = Place(groups={"base": "ou=lists", "filter": "(mail={address})"})
    place.holds(f"(mail={SALES})", Entry("cn=sales", {"member": (b"bob@example.org",)}), base="ou=lists")
    for strange, right in ((WIDE, ALICE), ("sale\u017f@example.org", SALES)):
        assert EmailAddress.parse(strange) == right
        assert result(place.realm.find_user(EmailAddress.parse(strange))) is None
        assert result(place.realm.alias(EmailAddress.parse(strange))) is None
    assert result(place.realm.find_user(ALICE)) is not None
    assert place.login(ALICE, b"pass").address == ALICE
    assert result(place.realm.alias(SALES)) == (BOB,)


def test_attack_96_nobody_waits_for_what_is_asked_of_another_way_to_write() -> None:
    place = Place()
    held = place.hold()
    odd = Deferred.fromCoroutine(place.realm.find_user(EmailAddress.parse(WIDE)))
    right = Deferred.fromCoroutine(place.realm.find_user(ALICE))
    for each in held:
        each.callback(None)
    assert odd.result is None
    assert isinstance(right.result, User)


def test_made_up_addresses_drive_no_group_out() -> None:
    place = Place(groups={"base": "ou=lists", "filter": "(mail={address})"})
    place.holds(f"(mail={SALES})", Entry("cn=sales", {"member": (b"bob@example.org",)}), base="ou=lists")
    assert result(place.realm.alias(SALES)) == (BOB,)
    for number in range(DEFAULT_BOUNDS.remembered + 1):
        result(place.realm.alias(EmailAddress.parse(f"x{number}@example.org")))
    asked = len(place.directory.searches)
    assert result(place.realm.alias(SALES)) == (BOB,)
    assert len(place.directory.searches) == asked


def test_what_was_asked_before_a_refresh_is_not_kept_after_it() -> None:
    place = Place(disabled="(locked=TRUE)")
    held = place.hold()
    before = Deferred.fromCoroutine(place.realm.find_user(ALICE))
    result(place.realm.refresh())
    held[0].callback(None)
    assert isinstance(before.result, User) and before.result.enabled
    place.held = None
    place.holds("(locked=TRUE)", ALICE_ENTRY, base=ALICE_DN)
    user = result(place.realm.find_user(ALICE))
    assert user is not None and not user.enabled


def test_who_is_told_may_end_another_one_s_wait() -> None:
    place = Place()
    waiting = place.hold()
    asked = [Deferred.fromCoroutine(place.realm.find_user(ALICE)) for _ in range(3)]
    asked[0].addCallback(lambda user: asked[1].cancel())
    asked[1].addErrback(lambda failure: failure.type)
    waiting.pop().callback(None)
    assert asked[1].result is CancelledError
    assert asked[2].result == User(ALICE, aliases=(SMITH,))


def test_a_look_up_that_fails_fails_for_all_who_wait_and_is_made_anew() -> None:
    place = Place()
    waiting = place.hold()
    failures: list[Any] = []
    asked = [Deferred.fromCoroutine(place.realm.find_user(ALICE)) for _ in range(3)]
    for one in asked:
        one.addErrback(failures.append)
    place.directory.down = True
    waiting.pop().callback(None)
    assert [failure.type for failure in failures] == [AuthenticationUnavailable] * 3
    place.directory.down = False
    again = Deferred.fromCoroutine(place.realm.find_user(ALICE))
    waiting.pop().callback(None)
    assert again.result is not None


@pytest.mark.parametrize("password", [b"", b" ", b"\t\r\n ", b"\0", b"pass\0", b"\0pass"])
def test_no_password_is_refused_before_any_bind(password: bytes) -> None:
    place = Place()
    place.directory.passwords[ALICE_DN] = password
    place.refusal(ALICE, password)
    assert place.directory.binds == place.directory.searches == []


def test_unknown_disabled_and_wrong_look_alike() -> None:
    place = Place(disabled="(locked=yes)")
    place.holds("(locked=yes)", BOB_ENTRY, base=BOB_ENTRY.dn)
    refusals = [place.refusal(ALICE, b"x"), place.refusal(NOBODY, b"x"), place.refusal(BOB, b"word")]
    refusals.append(place.refusal(SMITH, b"pass"))  # an alias is no login name
    assert {error.public for error in refusals} == {"Authentication failed"}
    assert [error.cause for error in refusals] == [
        "wrong password",
        "no such user",
        "the user is disabled",
        "no such user",
    ]
    assert len(place.directory.binds) == len(refusals)
    assert len({dn for dn, _ in place.directory.binds}) == len(refusals)
    found = result(place.realm.find_user(BOB))
    assert found is not None
    assert not found.enabled


def test_services_are_for_those_whom_the_filter_fits() -> None:
    place = Place(services={"imap": "(memberOf=cn=imap)", "submission": "(memberOf=cn=out)"})
    place.holds("(memberOf=cn=imap)", ALICE_ENTRY, base=ALICE_DN)
    assert place.login(ALICE, b"pass", Service.IMAP).services == {Service.IMAP, Service.POP3}
    place.login(ALICE, b"pass", Service.POP3)
    assert place.refusal(ALICE, b"pass", Service.SUBMISSION).cause == "the user may not use this service"


def test_a_template_says_where_the_user_is() -> None:
    place = Place(dn_template="uid={local_part},dc={domain}", user_filter="(mail={address})")
    result(place.realm.find_user(EmailAddress.parse('"x,ou=admin"@example.org')))
    query, above = place.directory.searches
    assert (query.base, query.this_entry) == (r"uid=x\2cou\3dadmin,dc=example.org", True)
    assert above == Query("dc=example.org", "(objectClass=*)", this_entry=True, is_known=True)


def test_a_template_of_a_tree_that_is_gone_makes_nobody_unknown() -> None:
    place = Place(dn_template="uid={local_part},ou=people")
    assert result(place.realm.find_user(NOBODY)) is None
    place.now += 3600
    place.directory.gone.add("ou=people")
    with pytest.raises(AuthenticationUnavailable):
        raise_failure(place.realm.find_user(NOBODY))


def test_a_user_whose_entry_goes_away_while_it_is_looked_at_is_not_enabled_by_that() -> None:
    place = Place(disabled="(locked=TRUE)")
    place.directory.gone.add(ALICE_DN)
    with pytest.raises(AuthenticationUnavailable):
        raise_failure(place.realm.find_user(ALICE))


@pytest.mark.parametrize(
    "entries",
    [
        (ALICE_ENTRY, BOB_ENTRY),
        (ALICE_ENTRY, ALICE_ENTRY),
        (Entry("uid=x", {}),),
        (Entry("uid=x", {"mail": (b"../../root@example.org",)}),),
        (Entry("uid=x", {"mail": (b"alice@example.org", b"b@example.org")}),),
    ],
)
def test_what_cannot_be_is_neither_a_user_nor_nobody(entries: tuple[Entry, ...]) -> None:
    place = Place()
    place.holds(f"(mail={ALICE})", *entries)
    for question in (place.realm.find_user(ALICE), place.realm.authenticate(ALICE, b"pass", Service.IMAP)):
        with pytest.raises(AuthenticationUnavailable):
            raise_failure(question)
    assert place.directory.binds == []


def test_the_log_says_of_an_address_once_a_while_that_it_cannot_be() -> None:
    place = Place()
    place.holds(f"(mail={ALICE})", ALICE_ENTRY, BOB_ENTRY)
    lines: list[str] = []
    globalLogPublisher.addObserver(observe := lambda event: lines.append(str(event.get("cause"))))
    try:
        for _ in range(3):
            with pytest.raises(AuthenticationUnavailable):
                raise_failure(place.realm.find_user(ALICE))
    finally:
        globalLogPublisher.removeObserver(observe)
    assert lines == ["realm staff, alice@example.org: several entries have this address"]


def test_an_entry_found_by_another_s_address_is_not_theirs() -> None:
    """The directory may find texts alike that are not: nobody gets mail by that."""
    place = Place()
    place.holds(f"(mail={NOBODY})", ALICE_ENTRY)
    assert result(place.realm.find_user(NOBODY)) is None
    assert result(place.realm.user_of_alias(NOBODY)) is None
    place.refusal(NOBODY, b"pass")


def test_groups_lead_to_their_members() -> None:
    place = Place(groups={"base": "ou=groups", "filter": "(mail={address})"})
    members = (
        b"uid=alice,dc=example",
        b"uid=gone,dc=example",
        b"x@example.com",
        b"sales@example.org",
        b"x@example.com",
    )
    place.holds(f"(mail={SALES})", Entry("cn=sales", {"member": members}), base="ou=groups")
    place.holds("(objectClass=*)", ALICE_ENTRY, base=ALICE_DN)
    assert result(place.realm.alias(SALES)) == (ALICE, EmailAddress.parse("x@example.com"))
    asked = len(place.directory.searches)
    assert result(place.realm.alias(SALES)) is not None
    assert len(place.directory.searches) == asked
    assert result(place.realm.alias(NOBODY)) is None


@pytest.mark.parametrize(
    "attributes",
    [{"member;range=0-1499": (b"x@example.com",)}, {"member": (), "member;range=0-0": (b"x@example.com",)}],
)
def test_a_group_of_which_the_directory_tells_a_part_is_a_fault(attributes: dict[str, tuple[bytes, ...]]) -> None:
    """Active Directory tells 1500 values at a time."""
    place = Place(groups={"base": "ou=groups", "filter": "(mail={address})"})
    place.holds(f"(mail={SALES})", Entry("cn=sales", attributes), base="ou=groups")
    with pytest.raises(AuthenticationUnavailable):
        raise_failure(place.realm.alias(SALES))


@pytest.mark.parametrize("mail", [(b"a@example.org", b"b@example.org"), (b"../x@example.org",), (b"\xff",)])
def test_a_member_whose_entry_cannot_be_is_not_left_out(mail: tuple[bytes, ...]) -> None:
    """Else the others would get their mail and it never would."""
    place = Place(groups={"base": "ou=groups", "filter": "(mail={address})"})
    members = Entry("cn=sales", {"member": (b"uid=odd,dc=example", b"x@example.com")})
    place.holds(f"(mail={SALES})", members, base="ou=groups")
    place.holds("(objectClass=*)", Entry("uid=odd,dc=example", {"mail": mail}), base="uid=odd,dc=example")
    with pytest.raises(AuthenticationUnavailable):
        raise_failure(place.realm.alias(SALES))


def test_a_member_without_an_address_gets_no_mail_by_the_group() -> None:
    place = Place(groups={"base": "ou=groups", "filter": "(mail={address})"})
    members = Entry("cn=sales", {"member": (b"cn=printer", b"cn=gone", b"x@example.com")})
    place.holds(f"(mail={SALES})", members, base="ou=groups")
    place.holds("(objectClass=*)", Entry("cn=printer", {}), base="cn=printer")
    lines: list[str] = []
    globalLogPublisher.addObserver(observe := lambda event: lines.append(f"{event['dn']}: {event['why']}"))
    try:
        for _ in range(3):
            assert result(place.realm.alias(SALES)) == (EmailAddress.parse("x@example.com"),)
            result(place.realm.refresh())
    finally:
        globalLogPublisher.removeObserver(observe)
    assert lines == ["cn=printer: there is no mail", "cn=gone: there is no such entry, or it is hidden"]


def test_a_group_that_is_too_large_is_a_fault() -> None:
    place = Place(groups={"base": "ou=groups", "filter": "(mail={address})"})
    members = tuple(b"u%d@example.com" % number for number in range(1001))
    place.holds(f"(mail={SALES})", Entry("cn=sales", {"member": members}), base="ou=groups")
    with pytest.raises(AuthenticationUnavailable):
        raise_failure(place.realm.alias(SALES))


def test_keys_are_made_up_and_the_same_for_one_name() -> None:
    place = Place()
    (first, known), (second, _) = result(place.realm.scram_keys(ALICE)), result(place.realm.scram_keys(ALICE))
    assert not known
    assert first.salt == second.salt
    assert place.directory.searches == []


def test_attack_40_who_may_be_there_no_more_is_known_once_the_directory_was_asked_again() -> None:
    place = Place(services={"imap": "(employeeType=staff)"}, disabled="(loginShell=/bin/false)")
    place.holds("(employeeType=staff)", ALICE_ENTRY, base=ALICE_DN)
    logged_in = result(place.realm.authenticate(ALICE, b"pass", Service.IMAP))
    place.holds("(employeeType=staff)", base=ALICE_DN)
    assert result(place.realm.objection(logged_in, Service.IMAP)) == ""
    place.now += 60
    assert result(place.realm.objection(logged_in, Service.IMAP)) == "the user may not use this service"
    assert result(place.realm.objection(logged_in, Service.POP3)) == ""
    place.holds("(loginShell=/bin/false)", ALICE_ENTRY, base=ALICE_DN)
    place.now += 60
    assert result(place.realm.objection(logged_in, Service.POP3)) == "the user is disabled"
    place.holds(f"(mail={ALICE})")
    place.now += 60
    place.directory.down = True
    with pytest.raises(AuthenticationUnavailable):
        raise_failure(place.realm.objection(logged_in, Service.POP3))
    place.directory.down = False
    assert result(place.realm.objection(logged_in, Service.POP3)) == "no such user"


def test_a_refresh_asks_anew() -> None:
    place = Place()
    result(place.realm.find_user(ALICE))
    edition = place.realm.edition
    result(place.realm.refresh())
    assert place.realm.edition != edition  # who is in is asked about too
    result(place.realm.find_user(ALICE))
    assert len(place.directory.searches) == 2


def group_place(count: int, seconds: float, **more: object) -> Place:
    """A group of so many entries, of which each takes its time to be told."""
    place = Place(groups={"base": "ou=groups", "filter": "(mail={address})"}, **more)
    members = tuple(b"cn=u%d" % number for number in range(count))
    place.holds(f"(mail={SALES})", Entry("cn=sales", {"member": members}), base="ou=groups")
    for number in range(count):
        mail = b"u%d@example.org" % number
        place.holds("(objectClass=*)", Entry(f"cn=u{number}", {"mail": (mail,)}), base=f"cn=u{number}")
    place.directory.answering = lambda: place.wait(seconds)
    return place


def test_a_group_has_one_time_for_all_members_and_what_was_found_is_kept() -> None:
    place = group_place(40, 1.0, timeout="5 s", cache="1 h")
    with pytest.raises(AuthenticationUnavailable) as error:
        raise_failure(place.realm.alias(SALES))
    assert "30 s" in error.value.cause
    assert len(place.directory.searches) == 30
    targets = result(place.realm.alias(SALES))
    assert targets is not None
    assert [str(target) for target in targets] == [f"u{number}@example.org" for number in range(40)]
    assert len(place.directory.searches) == 30 + 1 + 11


def test_a_member_that_fails_costs_none_of_the_others_again() -> None:
    place = group_place(10, 0.0)
    place.holds("(objectClass=*)", Entry("cn=u9", {"mail": (b"a@example.org", b"b@example.org")}), base="cn=u9")
    for searches in (11, 13):
        with pytest.raises(AuthenticationUnavailable):
            raise_failure(place.realm.alias(SALES))
        assert len(place.directory.searches) == searches


def test_a_refresh_asks_for_members_anew_also_for_those_under_way() -> None:
    place = group_place(2, 0.0)
    assert result(place.realm.alias(SALES)) is not None
    held = place.hold()
    asked = Deferred.fromCoroutine(place.realm.alias(EmailAddress.parse("other@example.org")))
    place.holds("(mail=other@example.org)", Entry("cn=other", {"member": (b"cn=u2",)}), base="ou=groups")
    place.holds("(objectClass=*)", Entry("cn=u2", {"mail": (b"u2@example.org",)}), base="cn=u2")
    held.pop().callback(None)
    result(place.realm.refresh())
    held.pop().callback(None)
    assert asked.result == (EmailAddress.parse("u2@example.org"),)
    place.held = None
    asked_by_now = len(place.directory.searches)
    assert result(place.realm.alias(SALES)) is not None
    assert result(place.realm.alias(EmailAddress.parse("other@example.org"))) is not None
    assert len(place.directory.searches) == asked_by_now + 3 + 2


def test_who_waited_too_long_for_a_thread_is_not_asked_for() -> None:
    place = Place(timeout="5 s")
    held = place.hold()
    failures: list[Any] = []
    Deferred.fromCoroutine(place.realm.find_user(ALICE)).addErrback(failures.append)
    place.now += 30
    held.pop().callback(None)
    assert [failure.type for failure in failures] == [AuthenticationUnavailable]
    assert place.directory.searches == []

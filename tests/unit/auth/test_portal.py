"""Logging in through cred, over a directory of two realms held in memory."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher
from zope.interface import Interface

from mailbox_d.address import EmailAddress
from mailbox_d.auth.directory import Directory
from mailbox_d.auth.portal import LoginMind, LoginRefused, ProofOfUser, build_portal
from mailbox_d.auth.realm import LoggedIn, Service, User
from mailbox_d.errors import AuthenticationFailed, AuthenticationUnavailable
from mailbox_d.wire.sasl.exchange import BearerToken, ByCertificate, Credentials


class IMail(Interface):
    """What one protocol wants."""


class IOther(Interface):
    """What no protocol offers."""


class MemoryRealm:
    """Users with their passwords in a dictionary, and a record of who was asked for."""

    def __init__(self, name: str, passwords: dict[str, bytes], error: Exception | None = None) -> None:
        self.name = name
        self.asked: list[EmailAddress] = []
        self._users = {EmailAddress.parse(text): password for text, password in passwords.items()}
        self._error = error

    async def find_user(self, address: EmailAddress) -> User | None:
        return User(address) if address in self._users else None

    async def user_of_alias(self, address: EmailAddress) -> User | None:
        return User(EmailAddress.parse("owner@example.org")) if address.key == "nick" else None

    async def alias(self, address: EmailAddress) -> tuple[EmailAddress, ...] | None:
        return tuple(self._users) if address.key == "all" else None

    async def authenticate(self, address: EmailAddress, password: bytes, service: Service) -> LoggedIn:
        self.asked.append(address)
        if self._error is not None:
            raise self._error
        if self._users.get(address) != password:
            raise AuthenticationFailed("Authentication failed", cause="for the log")
        return LoggedIn(User(address))


@pytest.fixture
def staff() -> MemoryRealm:
    return MemoryRealm("staff", {"alice@example.org": b"pass", "mallory@example.net": b"pass", "eve@other.org": b"x"})


@pytest.fixture
def directory(staff: MemoryRealm) -> Directory:
    guests = MemoryRealm("guests", {"bob@example.net": b"word"})
    return Directory({"example.org": staff, "xn--bcher-kva.example": staff, "example.net": guests})


def succeed(work: Any) -> Any:
    outcome: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(outcome.append)
    if hasattr(outcome[0], "raiseException"):
        outcome[0].raiseException()
    return outcome[0]


def log_in(directory: Any, username: str, password: bytes, *interfaces: Any, **limits: int) -> Any:
    async def make(user: User) -> object:
        return "mail of", user

    portal = build_portal(directory, {IMail: make}, **limits)
    outcome: list[Any] = []
    proof = ProofOfUser(Credentials(username, password), Service.IMAP)
    portal.login(proof, None, *(interfaces or (IMail,))).addBoth(outcome.append)
    if hasattr(outcome[0], "raiseException"):
        outcome[0].raiseException()
    return outcome[0]


def address(text: str) -> EmailAddress:
    return EmailAddress.parse(text)


def test_a_login_gives_the_avatar_that_the_interface_asks_for(directory: Directory) -> None:
    interface, avatar, log_out = log_in(directory, "alice@example.org", b"pass", IOther, IMail)
    assert interface is IMail
    assert avatar == ("mail of", User(address("alice@example.org")))
    log_out()


def test_a_mind_learns_how_the_user_came_in() -> None:
    class Phones(MemoryRealm):
        async def authenticate(self, address: EmailAddress, password: bytes, service: Service) -> LoggedIn:
            return LoggedIn(User(address), by="phone")

    async def make(user: User) -> object:
        return user

    realm: Any = Phones("phones", {})
    mind = LoginMind()
    proof = ProofOfUser(Credentials("alice@example.org", b"pass"), Service.IMAP)
    build_portal(Directory({"example.org": realm}), {IMail: make}).login(proof, mind, IMail)
    assert mind.by == "phone"


def test_the_directory_tells_who_came_in_and_by_what(staff: MemoryRealm) -> None:
    used: list[tuple[str, str]] = []
    directory = Directory({"example.org": staff}, used=lambda user, by: used.append((str(user), by)))
    log_in(directory, "alice@example.org", b"pass")
    succeed(directory.user_for(address("alice@example.org"), Service.IMAP))  # by a token: no password is in use for it
    for name in ("alice@example.org", "eve@other.org", "nobody@example.org"):
        with pytest.raises(LoginRefused):
            log_in(directory, name, b"wrong")
    with pytest.raises(AuthenticationFailed):
        succeed(directory.user_for(address("nobody@example.org"), Service.IMAP))
    assert used == [("alice@example.org", "")]


def test_a_user_name_is_utf8_and_its_domain_in_any_form(staff: MemoryRealm, directory: Directory) -> None:
    with pytest.raises(LoginRefused):
        log_in(directory, "jos\u00e9@b\u00fccher.example", b"pass")
    assert staff.asked == [address("jos\u00e9@xn--bcher-kva.example")]


def test_an_interface_without_a_factory_is_a_fault_of_the_programmer(directory: Directory) -> None:
    with pytest.raises(NotImplementedError):
        log_in(directory, "alice@example.org", b"pass", IOther)


def test_a_wrong_password_fails_as_cred_and_as_we_call_it(directory: Directory) -> None:
    with pytest.raises(LoginRefused) as refusal:
        log_in(directory, "alice@example.org", b"wrong")
    assert isinstance(refusal.value, UnauthorizedLogin)
    assert isinstance(refusal.value, AuthenticationFailed)
    assert not refusal.value.temporary
    assert refusal.value.public == "Authentication failed"
    assert refusal.value.cause == "for the log"


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("", b"pass"),
        ("alice", b"pass"),
        ("alice@", b"pass"),
        ("@example.org", b"pass"),
        ("alice@example.org\0", b"pass"),
        ("al\0ice@example.org", b"pass"),
        ("alice@example.org\r\n", b"pass"),
        ("a" * 100_000 + "@example.org", b"pass"),
        ("\u00e9" * 10_000, b"pass"),
        ("../alice@example.org", b""),
        ("alice@example.org", b""),
        ("alice@example.org", b"\0"),
        ("alice@example.org", b"pass\0"),
        ("alice@example.org", b"x" * 1001),
    ],
)
def test_attack_33_names_and_passwords_that_nobody_has_cost_no_hash(
    staff: MemoryRealm, directory: Directory, username: str, password: bytes
) -> None:
    with pytest.raises(LoginRefused) as refusal:
        log_in(directory, username, password)
    assert refusal.value.public == "Authentication failed"
    assert staff.asked == []


def test_how_long_a_password_may_be_is_a_parameter(staff: MemoryRealm, directory: Directory) -> None:
    with pytest.raises(LoginRefused):
        log_in(directory, "alice@example.org", b"12345", max_password=4)
    assert staff.asked == []
    with pytest.raises(LoginRefused):
        log_in(directory, "alice@example.org", b"1234", max_password=4)
    assert len(staff.asked) == 1


@pytest.mark.parametrize("name", ["%{user}@example.org", "%s@example.org", "{0}@example.org", "$user@example.org"])
def test_attack_43_template_characters_in_a_name_are_themselves(
    staff: MemoryRealm, directory: Directory, name: str
) -> None:
    with pytest.raises(LoginRefused):
        log_in(directory, name, b"pass")
    assert [str(asked) for asked in staff.asked] == [name]


def test_a_realm_that_cannot_be_asked_is_no_wrong_password() -> None:
    realm = MemoryRealm("staff", {}, AuthenticationUnavailable("Try again later", cause="the server is down"))
    with pytest.raises(AuthenticationUnavailable) as refusal:
        log_in(Directory({"example.org": realm}), "alice@example.org", b"pass")
    assert not isinstance(refusal.value, UnauthorizedLogin)
    assert refusal.value.public == "Try again later"


def test_any_fault_of_ours_is_temporary_logged_and_not_told() -> None:
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        with pytest.raises(AuthenticationUnavailable) as refusal:
            log_in(MemoryRealm("staff", {}, KeyError("secret detail")), "alice@example.org", b"pass")
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert "secret" not in refusal.value.public
    assert any("log_failure" in event for event in events)


def test_only_the_realm_of_the_domain_is_asked(staff: MemoryRealm, directory: Directory) -> None:
    with pytest.raises(LoginRefused):
        log_in(directory, "mallory@example.net", b"pass")
    assert staff.asked == []


def test_nobody_is_told_anything_of_a_user_before_it_is_ready(staff: MemoryRealm) -> None:
    """What is made up for strangers must be the same as it was before a restart."""
    ready: Deferred[None] = Deferred()

    async def be_ready() -> None:
        await ready

    directory = Directory({"example.org": staff}, ready=be_ready)
    alice = EmailAddress.parse("alice@example.org")
    asked = [
        Deferred.fromCoroutine(directory.authenticate(alice, b"pass", Service.IMAP)),
        Deferred.fromCoroutine(directory.scram_keys(alice)),
    ]
    assert not staff.asked and not any(each.called for each in asked)
    ready.callback(None)
    assert [each.called for each in asked] == [True, True] and staff.asked == [alice]
    asked[1].addErrback(lambda failure: None)  # this realm has no keys


def test_keys_of_a_domain_that_is_not_served_are_nobody_s() -> None:
    """Whatever the realm has of that address: it is asked for the time that it takes."""

    class Keys(MemoryRealm):
        async def scram_keys(self, address: EmailAddress) -> tuple[Any, bool]:
            return "keys", True

    realm: Any = Keys("keys", {"alice@example.net": b""})
    directory = Directory({"example.org": realm})
    assert succeed(directory.scram_keys(address("alice@example.net"))) == ("keys", False)
    assert succeed(directory.scram_keys(address("alice@example.org"))) == ("keys", True)


def test_a_user_of_a_domain_that_is_not_served_cannot_log_in_but_costs_the_same(
    staff: MemoryRealm, directory: Directory
) -> None:
    for password in (b"x", b"wrong"):
        with pytest.raises(LoginRefused) as refusal:
            log_in(directory, "eve@other.org", password)
        assert refusal.value.public == "Authentication failed"
    assert len(staff.asked) == 2


def test_a_site_without_domains_lets_nobody_in() -> None:
    with pytest.raises(LoginRefused):
        log_in(Directory({}), "alice@example.org", b"pass")


def test_the_directory_looks_an_address_up_in_its_domains_realm(staff: MemoryRealm, directory: Directory) -> None:
    assert directory.domains == ("example.org", "xn--bcher-kva.example", "example.net")
    assert succeed(directory.serves("example.org"))
    assert not succeed(directory.serves("other.org"))
    assert succeed(directory.realm_of("example.org")) is staff
    assert succeed(directory.realm_of("other.org")) is None
    assert succeed(directory.find_user(address("alice@example.org"))) == User(address("alice@example.org"))
    assert succeed(directory.find_user(address("mallory@example.net"))) is None
    assert succeed(directory.find_user(address("eve@other.org"))) is None
    assert succeed(directory.user_of_alias(address("nick@example.org"))) is not None
    assert succeed(directory.user_of_alias(address("nick@other.org"))) is None
    assert succeed(directory.alias(address("all@example.net"))) == (address("bob@example.net"),)
    assert succeed(directory.alias(address("all@other.org"))) is None


class TokensOf:
    """The issuer's word: whose each token is; others are nobody's, and of "down" it says nothing."""

    def __init__(self, **owners: str) -> None:
        self._owners = owners

    async def address_of(self, token: str) -> EmailAddress:
        if token == "down":
            raise AuthenticationUnavailable("x", cause="the issuer is down")
        if token not in self._owners:
            raise AuthenticationFailed("x", cause="no such token")
        return EmailAddress.parse(self._owners[token])


def log_in_by_token(directory: Directory, user: str, token: str, tokens: TokensOf | None) -> Any:
    async def make(user: User) -> object:
        return user

    portal = build_portal(directory, {IMail: make}, tokens=tokens)
    proof: Any = ProofOfUser(BearerToken(user, token), Service.IMAP)
    return portal.login(proof, None, IMail)


@pytest.mark.parametrize("user", ["", "alice@example.org", "ALICE@EXAMPLE.ORG"])
def test_a_token_lets_in_whom_it_is_for(directory: Directory, user: str) -> None:
    told: list[Any] = []
    log_in_by_token(directory, user, "good", TokensOf(good="alice@example.org")).addBoth(told.append)
    ((_, avatar, _),) = told
    assert avatar.address == address("alice@example.org")


@pytest.mark.parametrize(
    ("user", "token"),
    [
        ("eve@other.org", "good"),
        ("alice", "good"),
        ("alice@example.org\0", "good"),
        ("", "bad"),
        ("", "unknown"),
        ("", "foreign"),
        ("nick@example.org", "good"),
        ("", "nick"),
    ],
)
def test_a_token_lets_in_nobody_else(directory: Directory, user: str, token: str) -> None:
    tokens = TokensOf(
        good="alice@example.org", unknown="zoe@example.org", foreign="alice@elsewhere.org", nick="nick@example.org"
    )
    fails_with(log_in_by_token(directory, user, token, tokens), LoginRefused)


def test_without_an_issuer_no_token_is_good(directory: Directory) -> None:
    fails_with(log_in_by_token(directory, "alice@example.org", "good", None), LoginRefused)


def test_an_issuer_that_is_down_is_no_wrong_token(directory: Directory) -> None:
    fails_with(log_in_by_token(directory, "", "down", TokensOf()), AuthenticationUnavailable)


def fails_with(login: Any, kind: type[Exception]) -> None:
    failures: list[Any] = []
    login.addErrback(failures.append)
    (failure,) = failures
    assert failure.check(kind)


class Roles(MemoryRealm):
    """Alice, who may use IMAP; Carol, who may not; Dave, who is disabled."""

    async def find_user(self, address: EmailAddress) -> User | None:
        if self._error is not None:
            raise self._error
        services = frozenset({Service.POP3 if address.key == "carol" else Service.IMAP})
        return User(address, services=services, enabled=address.key != "dave") if address in self._users else None


@pytest.mark.parametrize("user", ["carol@example.org", "dave@example.org", "zoe@example.org"])
def test_who_may_not_come_in_is_helped_by_no_proof(user: str) -> None:
    roles = Roles("staff", {f"{name}@example.org": b"" for name in ("alice", "carol", "dave")})
    directory = Directory({"example.org": roles})
    tokens = TokensOf(good=user, alice="alice@example.org")
    fails_with(log_in_by_token(directory, user, "good", tokens), LoginRefused)
    fails_with(log_in_by_certificate(user), LoginRefused)
    with pytest.raises(AuthenticationFailed):
        succeed(directory.user_for(address(user), Service.IMAP))
    assert not fails(log_in_by_token(directory, "", "alice", tokens))


def fails(login: Any) -> bool:
    failures: list[Any] = []
    login.addErrback(failures.append)
    return bool(failures)


def log_in_by_certificate(certified: str, authzid: str = "", error: Exception | None = None) -> Any:
    async def make(user: User) -> object:
        return user

    roles = Roles("staff", {f"{name}@example.org": b"" for name in ("alice", "carol", "dave")}, error)
    portal = build_portal(Directory({"example.org": roles}), {IMail: make})
    proof: Any = ProofOfUser(ByCertificate(certified, authzid), Service.IMAP)
    return portal.login(proof, None, IMail)


@pytest.mark.parametrize("authzid", ["", "alice@example.org", "ALICE@EXAMPLE.ORG"])
def test_a_certificate_lets_in_whom_it_is_for(authzid: str) -> None:
    told: list[Any] = []
    log_in_by_certificate("Alice@example.org", authzid).addBoth(told.append)
    ((_, avatar, _),) = told
    assert avatar.address == address("alice@example.org")


@pytest.mark.parametrize(
    ("certified", "authzid"),
    [
        ("alice@example.org", "carol@example.org"),
        ("alice@example.org", "alice"),
        ("nobody@example.org", ""),
        ("carol@example.org", ""),
        ("dave@example.org", ""),
        ("nick@example.org", ""),
        ("alice@elsewhere.example", ""),
        ("", "alice@example.org"),
    ],
)
def test_attack_41_a_certificate_lets_in_nobody_else(certified: str, authzid: str) -> None:
    fails_with(log_in_by_certificate(certified, authzid), LoginRefused)


def test_a_realm_that_is_down_is_no_wrong_certificate() -> None:
    down = AuthenticationUnavailable("x", cause="the directory is down")
    fails_with(log_in_by_certificate("alice@example.org", error=down), AuthenticationUnavailable)

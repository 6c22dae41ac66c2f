"""One attempt: server after server, until every recipient has its answer, and no further than is safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Attempt, Envelope, Fate, Parcel, Queued, Recipient, Source
from mailbox_d.relay.dispatch.attempting import SERVERS_SECONDS, Attempting
from mailbox_d.relay.dispatch.connections import Connections
from mailbox_d.relay.dispatch.contents import Top, WholeContent
from mailbox_d.relay.dispatch.outcomes import Tried
from mailbox_d.relay.dispatch.unreachable import Unreachable
from mailbox_d.relay.peer.client import Destination
from mailbox_d.relay.ports import (
    Handed,
    Host,
    PeerFailure,
    PeerReply,
    Route,
    Security,
    Shipment,
    TlsDemand,
    TlsState,
    Undeliverable,
)
from mailbox_d.wire.smtp.extensions import Extensions
from tests.unit.relay.at_once import done

CAROL, DAVE, ERIN = (Recipient(EmailAddress.parse(f"{name}@example.com")) for name in ("carol", "dave", "erin"))
OK, LATER, NEVER = (PeerReply(code, f"{code // 100}.0.0", "so") for code in (250, 450, 550))
NOBODY_THERE = PeerFailure("Nobody is there", "4.4.1", stage="connect")
LOST = PeerFailure("It went away", "4.4.2", stage="end", may_have_it=True)
TLS_FAILED = PeerFailure("TLS came to nothing", "4.7.5", stage="tls", may_be_plain=True, failure="validation-failure")


@dataclass
class Session:
    """Answers recipients as it is told to; fails where a failure is told."""

    says: dict[str, PeerReply] | PeerFailure
    tls: TlsState = field(default_factory=TlsState)
    extensions: Extensions = field(default_factory=Extensions)
    is_usable: bool = True
    sent: list[Shipment] = field(default_factory=list)
    closed: int = 0
    hangs_after: int = 1000
    """Of how many messages nothing is heard any more."""

    async def send(self, shipment: Shipment) -> tuple[Handed, ...]:
        self.sent.append(shipment)
        if len(self.sent) > self.hangs_after:
            await Deferred()
        if isinstance(self.says, PeerFailure):
            self.is_usable = False
            raise self.says
        replies = [self.says.get(each.address.local_part, OK) for each in shipment.recipients]
        pairs = zip(shipment.recipients, replies, strict=True)
        return tuple(Handed(recipient, reply, reply is OK) for recipient, reply in pairs)

    async def close(self) -> None:
        self.closed += 1

    def abort(self) -> None:
        self.closed += 1


@dataclass
class World:
    """Servers by address, and all that an attempt asks."""

    servers: dict[str, Session | PeerFailure]
    refusal: Undeliverable | None = None
    demand_fails: frozenset[str] = frozenset()
    most_each: int = 5
    key: str = "key"
    port: int = 25
    opened: list[Destination] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.unreachable = Unreachable(self.clock.seconds)
        self.attempting = Attempting(
            routing=self,
            policy=self,  # type: ignore[arg-type]
            packing=self,  # type: ignore[arg-type]
            open_session=self.open_session,  # type: ignore[arg-type]
            connections=Connections(
                self.clock.callLater, most=9, most_each=self.most_each, idle_seconds=2.0, messages=100
            ),
            unreachable=self.unreachable,
            recipients_at_once=2,
            clock=lambda: 1000.0,
            monotonic=self.clock.seconds,
        )

    async def route(self, domain: str, sender: EmailAddress | None) -> Route:
        if self.refusal is not None:
            raise self.refusal
        hosts = tuple(Host(f"mx{number}", self.port, (ip_address(one),)) for number, one in enumerate(self.servers))
        return Route(self.key, domain, hosts)

    async def demand(self, route: Route, host: Host, parcel: Parcel, *, tls_optional: bool = False) -> TlsDemand:
        if host.name in self.demand_fails:
            raise PeerFailure("Not this server", "4.7.5", stage="tls", failure="validation-failure")
        return TlsDemand(policy="waived" if tls_optional else "opportunistic")

    def note(self, route: Route, host: Host, tried: Tried, failure: str) -> None:
        self.noted.append(f"{host.name} {failure}".strip())

    async def shipment(
        self, message: Queued, recipients: tuple[Recipient, ...], content: WholeContent, extensions: Extensions
    ) -> Shipment:
        return Shipment(message, recipients, content)

    async def open_session(self, route: Route, destination: Destination) -> Session:
        self.opened.append(destination)
        server = self.servers[str(destination.address)]
        if isinstance(server, PeerFailure):
            if server.may_be_plain and destination.without_tls:
                return Session({})
            raise server
        return server

    def attempt(
        self, *recipients: Recipient, require_tls: bool = False, tls_optional: bool = False
    ) -> dict[str, Attempt]:
        attempts = done(self.begin(*recipients, require_tls=require_tls, tls_optional=tls_optional))
        found = {attempt.recipient.local_part: attempt for attempt in attempts}
        assert len(found) == len(attempts)
        return found

    async def begin(
        self, *recipients: Recipient, require_tls: bool = False, tls_optional: bool = False
    ) -> Sequence[Attempt]:
        envelope = Envelope(EmailAddress.parse("alice@example.org"), recipients, require_tls=require_tls)
        parcel = Parcel(Queued("ABC", envelope, Source.USER, 0.0, 3), recipients)
        content = WholeContent(b"a\r\n", is_eight_bit=False, has_utf8_header=False, top=Top(b"", tls_optional))
        return await self.attempting.attempt(parcel, "example.com", content)


FIRST, SECOND = "192.0.2.1", "192.0.2.2"


def test_each_recipient_has_the_server_s_answer() -> None:
    said = World({FIRST: Session({"dave": NEVER, "erin": LATER})}).attempt(CAROL, DAVE, ERIN)
    assert {name: each.fate for name, each in said.items()} == {
        "carol": Fate.DELIVERED,
        "dave": Fate.FAILED,
        "erin": Fate.DEFERRED,
    }
    assert (said["dave"].host, said["dave"].address, said["dave"].reply) == ("mx0", FIRST, "550 so")


def test_so_many_recipients_are_named_at_once() -> None:
    server = Session({})
    World({FIRST: server}).attempt(CAROL, DAVE, ERIN)
    assert [len(each.recipients) for each in server.sent] == [2, 1]


def test_the_next_server_is_tried_where_one_is_not_there() -> None:
    world = World({FIRST: NOBODY_THERE, SECOND: Session({})})
    assert world.attempt(CAROL)["carol"].address == SECOND
    assert world.unreachable.failure("key") is None


def test_the_next_server_is_tried_for_those_who_have_no_final_answer_alone() -> None:
    second = Session({})
    said = World({FIRST: Session({"dave": LATER, "erin": NEVER}), SECOND: second}).attempt(CAROL, DAVE, ERIN)
    assert [[each.address.local_part for each in one.recipients] for one in second.sent] == [["dave"]]
    assert said["dave"].fate is Fate.DELIVERED
    assert said["erin"].fate is Fate.FAILED


def test_a_server_that_may_have_the_message_is_the_last_one_tried() -> None:
    second = Session({})
    said = World({FIRST: Session(LOST), SECOND: second}).attempt(CAROL)
    assert said["carol"].fate is Fate.DEFERRED
    assert second.sent == []


def test_where_nobody_is_there_nobody_waits_for_that_again_for_a_while() -> None:
    world = World({FIRST: NOBODY_THERE, SECOND: NOBODY_THERE})
    assert world.attempt(CAROL)["carol"].status == "4.4.1"
    tried = len(world.opened)
    assert world.attempt(DAVE)["dave"].reason == "Nobody is there"
    assert len(world.opened) == tried == 2
    world.clock.advance(40)
    world.attempt(DAVE)
    assert len(world.opened) == 4


def test_a_server_that_the_policy_forbids_is_not_connected_to() -> None:
    world = World({FIRST: Session({}), SECOND: Session({})}, demand_fails=frozenset({"mx0"}))
    assert world.attempt(CAROL)["carol"].host == "mx1"
    assert [each.host.name for each in world.opened] == ["mx1"]
    assert world.noted == ["mx0 validation-failure", "mx1"]


def test_an_address_where_nobody_spoke_costs_no_other_domain_time() -> None:
    world = World({FIRST: NOBODY_THERE, SECOND: Session({})})
    world.attempt(CAROL)
    world.unreachable.reached("key")
    world.attempt(DAVE)
    assert [str(each.address) for each in world.opened] == [FIRST, SECOND]


def test_no_further_server_is_tried_when_an_attempt_has_lasted_long() -> None:
    world = World({FIRST: NOBODY_THERE, SECOND: Session({})})
    opening = world.open_session

    async def slowly(route: Route, destination: Destination) -> Session:
        world.clock.advance(SERVERS_SECONDS + 1)
        return await opening(route, destination)

    world.attempting._open_session = slowly  # type: ignore[assignment]
    assert world.attempt(CAROL)["carol"].fate is Fate.DEFERRED
    assert len(world.opened) == 1


def test_a_fault_of_ours_takes_nothing_back_that_a_server_has_taken() -> None:
    server = Session({})
    world = World({FIRST: server})
    sending = server.send

    async def fail_at_erin(shipment: Shipment) -> tuple[Handed, ...]:
        if ERIN in shipment.recipients:
            raise ValueError("a fault")
        return await sending(shipment)

    server.send = fail_at_erin  # type: ignore[method-assign]
    said = world.attempt(CAROL, DAVE, ERIN)
    assert [said[name].fate for name in ("carol", "dave", "erin")] == [Fate.DELIVERED, Fate.DELIVERED, Fate.DEFERRED]


def test_who_waited_for_a_place_does_not_wait_for_a_server_that_is_not_there() -> None:
    world = World({FIRST: NOBODY_THERE})
    gate: Deferred[None] = Deferred()
    opening = world.open_session

    async def later(route: Route, destination: Destination) -> Session:
        await gate
        return await opening(route, destination)

    world.attempting._open_session = later  # type: ignore[assignment]
    under_way = [Deferred.fromCoroutine(world.begin(CAROL)) for _ in range(8)]
    gate.callback(None)
    assert all(each.called for each in under_way)
    assert len(world.opened) == 5


NO_REQUIRETLS = PeerFailure("No REQUIRETLS", "5.7.30", stage="mail", temporary=False)


def test_a_server_that_can_never_take_it_is_not_the_last_one_tried() -> None:
    said = World({FIRST: NO_REQUIRETLS, SECOND: Session({})}).attempt(CAROL, require_tls=True)
    assert said["carol"].fate is Fate.DELIVERED


def test_where_no_server_can_ever_take_it_that_is_the_end() -> None:
    said = World({FIRST: NO_REQUIRETLS, SECOND: NO_REQUIRETLS}).attempt(CAROL, require_tls=True)
    assert (said["carol"].fate, said["carol"].status, said["carol"].address) == (Fate.FAILED, "5.7.30", FIRST)


@pytest.mark.parametrize("order", [(NO_REQUIRETLS, NOBODY_THERE), (NOBODY_THERE, NO_REQUIRETLS)])
def test_where_one_server_may_take_it_later_it_waits(order: tuple[PeerFailure, PeerFailure]) -> None:
    said = World(dict(zip((FIRST, SECOND), order, strict=True))).attempt(CAROL, require_tls=True)
    assert said["carol"].fate is Fate.DEFERRED


def test_what_a_server_said_counts_for_more_than_that_another_one_was_not_there() -> None:
    said = World({FIRST: Session({"carol": LATER}), SECOND: NOBODY_THERE}).attempt(CAROL)
    assert said["carol"].reply == "450 so"


def test_a_server_whose_tls_fails_is_tried_without_where_nothing_demands_it() -> None:
    world = World({FIRST: TLS_FAILED})
    assert world.attempt(CAROL)["carol"].fate is Fate.DELIVERED
    assert [each.without_tls for each in world.opened] == [False, True]
    assert world.noted == ["mx0 validation-failure", "mx0"]


def test_a_session_is_used_again() -> None:
    world = World({FIRST: Session({})})
    world.attempt(CAROL)
    world.attempt(DAVE)
    assert len(world.opened) == 1


def test_a_server_that_takes_nothing_for_now_is_asked_once_and_over_one_connection() -> None:
    server = Session(dict.fromkeys(("carol", "dave"), LATER))
    world = World({FIRST: server})
    assert world.attempt(CAROL)["carol"].fate is Fate.DEFERRED
    assert world.attempt(DAVE)["dave"].fate is Fate.DEFERRED
    assert (len(server.sent), len(world.opened), server.closed) == (2, 1, 0)


def test_servers_that_take_nothing_for_now_see_no_more_connections_than_there_may_be() -> None:
    servers = {f"192.0.2.{number}": Session({"carol": LATER}) for number in range(1, 6)}
    world = World(dict(servers), most_each=2)
    for _ in range(3):
        world.attempt(CAROL)
    assert [len(server.sent) for server in servers.values()] == [3] * 5
    assert len(world.opened) - sum(server.closed for server in servers.values()) == 2


def test_a_kept_session_that_has_gone_away_costs_no_attempt() -> None:
    server = Session({})
    world = World({FIRST: server})
    world.attempt(CAROL)
    server.says = PeerFailure("It went away", "4.4.2", stage="mail")
    world.servers[FIRST] = Session({})
    assert world.attempt(DAVE)["dave"].fate is Fate.DELIVERED


@pytest.mark.parametrize("special", [{"require_tls": True}, {"tls_optional": True}])
def test_mail_with_wishes_of_its_own_shares_no_session(special: dict[str, bool]) -> None:
    server = Session({})
    world = World({FIRST: server})
    world.attempt(CAROL)
    world.attempt(DAVE, **special)
    assert len(world.opened) == 2
    assert server.closed == 1


@pytest.mark.parametrize("special", [{"require_tls": True}, {"tls_optional": True}])
def test_the_fault_of_mail_with_wishes_of_its_own_is_nobody_else_s(special: dict[str, bool]) -> None:
    world = World({FIRST: PeerFailure("No REQUIRETLS", "5.7.30", stage="mail", temporary=False)})
    world.attempt(CAROL, **special)
    world.servers[FIRST] = Session({})
    assert world.attempt(DAVE)["dave"].fate is Fate.DELIVERED


@pytest.mark.parametrize("special", [{"require_tls": True}, {"tls_optional": True}])
def test_mail_with_wishes_of_its_own_is_tried_whatever_became_of_other_mail(special: dict[str, bool]) -> None:
    world = World({FIRST: PeerFailure("No TLS", "4.7.4", stage="tls")})
    world.attempt(CAROL)
    world.servers[FIRST] = Session({})
    assert world.attempt(DAVE, **special)["dave"].fate is Fate.DELIVERED


def test_where_too_many_wait_for_the_servers_nobody_more_does() -> None:
    world = World({FIRST: Session({}, hangs_after=0)}, most_each=2)
    waiting = [Deferred.fromCoroutine(world.begin(CAROL)) for _ in range(2 + 2)]
    assert not world.attempting.must_wait("example.com")
    assert world.attempt(DAVE) == {}
    assert world.attempting.must_wait("example.com")
    assert not world.attempting.must_wait("other.example")
    waiting[0].cancel()
    assert not world.attempting.must_wait("example.com")
    for each in waiting:
        each.cancel()


def test_nobody_at_one_port_says_nothing_of_another_one() -> None:
    """Else whoever names a relay of ours as their server would shut it off."""
    world = World({FIRST: NOBODY_THERE})
    world.attempt(CAROL)
    world.port = 587
    world.servers[FIRST] = Session({})
    world.key = "relay"
    assert world.attempt(CAROL)["carol"].fate is Fate.DELIVERED


def test_a_server_that_refuses_a_session_is_there() -> None:
    """Other mail may go on over the sessions that there are."""
    world = World({FIRST: PeerFailure("Too many", "4.7.0", stage="greeting", reply=LATER)})
    world.attempt(CAROL)
    world.key, world.servers[FIRST] = "another domain", Session({})
    assert world.attempt(CAROL)["carol"].fate is Fate.DELIVERED


def test_what_was_taken_before_it_was_broken_off_is_told_and_nothing_of_the_others() -> None:
    server = Session({}, hangs_after=1)
    world = World({FIRST: server, SECOND: Session({})})
    attempt = Deferred.fromCoroutine(world.begin(CAROL, DAVE, ERIN))
    told: list[Sequence[Attempt]] = []
    attempt.addCallback(told.append)
    assert told == []
    attempt.cancel()
    assert [(each.recipient, each.fate) for each in told[0]] == [
        (CAROL.address, Fate.DELIVERED),
        (DAVE.address, Fate.DELIVERED),
    ]
    assert (server.closed, len(world.opened)) == (1, 1)


def test_what_was_broken_off_before_anything_was_taken_tells_nothing() -> None:
    attempt = Deferred.fromCoroutine(World({FIRST: Session({}, hangs_after=0)}).begin(CAROL))
    told: list[Sequence[Attempt]] = []
    attempt.addCallback(told.append)
    attempt.cancel()
    assert told == [[]]


def test_a_failure_for_good_of_one_message_is_no_other_s() -> None:
    world = World({FIRST: PeerFailure("Not this one", "5.3.4", stage="mail", temporary=False)})
    assert world.attempt(CAROL)["carol"].fate is Fate.FAILED
    world.servers[FIRST] = Session({})
    assert world.attempt(DAVE)["dave"].fate is Fate.DELIVERED


@pytest.mark.parametrize(("temporary", "fate"), [(True, Fate.DEFERRED), (False, Fate.FAILED)])
def test_a_domain_without_a_server(temporary: bool, fate: Fate) -> None:
    refusal = Undeliverable("There is no such domain", "5.1.2", temporary=temporary)
    said = World({}, refusal=refusal).attempt(CAROL, DAVE)
    assert {each.fate for each in said.values()} == {fate}
    assert said["carol"].reason == "There is no such domain"
    assert said["carol"].security == ""


def test_the_record_says_how_the_connection_was_secured() -> None:
    secured = Session({}, TlsState(Security.AUTHENTICATED, "TLSv1.3 X"), Extensions({"DSN": ()}))
    said = World({FIRST: secured}).attempt(CAROL)["carol"]
    assert (said.fate, said.tls, said.security, said.policy) == (
        Fate.RELAYED,
        "TLSv1.3 X",
        "authenticated",
        "opportunistic",
    )

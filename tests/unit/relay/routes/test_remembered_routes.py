"""A route is asked for once in a few seconds, for each domain and sender; what was refused is asked again."""

from __future__ import annotations

import pytest

from mailbox_d.address import EmailAddress
from mailbox_d.relay.ports import Route, Undeliverable
from mailbox_d.relay.routes.remembered_routes import ROUTES_MAX, SECONDS, RememberedRoutes
from tests.unit.relay.at_once import done

ALICE, BOB = EmailAddress.parse("alice@example.org"), EmailAddress.parse("bob@example.net")


class Asked:
    def __init__(self) -> None:
        self.now = 0.0
        self.questions: list[tuple[str, EmailAddress | None]] = []
        self.routes = RememberedRoutes(self, lambda: self.now)

    async def route(self, domain: str, sender: EmailAddress | None) -> Route:
        self.questions.append((domain, sender))
        if domain == "gone.example":
            raise Undeliverable("There is no such domain", "5.1.2", temporary=False)
        return Route(f"{domain} {len(self.questions)}", domain, ())

    def ask(self, domain: str, sender: EmailAddress | None = ALICE) -> str:
        found: Route = done(self.routes.route(domain, sender))
        return found.key


def test_a_route_is_remembered_for_seconds() -> None:
    asked = Asked()
    assert asked.ask("a.example") == asked.ask("a.example") == "a.example 1"
    asked.now += SECONDS + 0.1
    assert asked.ask("a.example") == "a.example 2"


def test_senders_may_have_routes_of_their_own() -> None:
    asked = Asked()
    asked.ask("a.example", ALICE)
    asked.ask("a.example", BOB)
    asked.ask("a.example", None)
    assert [sender for _, sender in asked.questions] == [ALICE, BOB, None]


def test_a_refusal_is_not_remembered() -> None:
    asked = Asked()
    for _ in range(2):
        with pytest.raises(Undeliverable):
            asked.ask("gone.example")
    assert len(asked.questions) == 2


def test_memory_is_bounded() -> None:
    asked = Asked()
    for number in range(ROUTES_MAX + 1):
        asked.ask(f"d{number}.example")
    asked.ask("d0.example")
    assert len(asked.questions) == ROUTES_MAX + 2

"""How well a connection must be secured, and what is learnt from how it was.

The first rule that knows an answer decides: what the operator configured for a relay; a sender who wants mail to arrive
rather than be secured (`TLS-Required: No`, RFC 8689 section 5); DANE (RFC 7672); MTA-STS that is enforced (RFC 8461);
what the domain's servers had before. Where none does TLS is used if it is offered. REQUIRETLS (RFC 8689) asks for a
certificate that is right by whichever rule there is, and that the server's name was not made up on the way.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from mailbox_d.queue.message import Parcel
from mailbox_d.relay.dispatch.outcomes import Tried
from mailbox_d.relay.ports import Host, PeerFailure, Route, Security, TlsDemand
from mailbox_d.relay.tls.dane import usable
from mailbox_d.relay.tls.mta_sts import Mode, Policy
from mailbox_d.relay.tls.mta_sts_cache import FoundPolicy, MtaStsPolicies
from mailbox_d.relay.tls.remembered import RememberedTls
from mailbox_d.relay.tls.results import STS, TLSA, AppliedPolicy, SessionResult, TlsResults
from mailbox_d.wire.dns import records

CONFIGURED, DANE, MTA_STS, SEEN_BEFORE = "configured", "dane", "mta-sts", "seen before"
TESTING, OPPORTUNISTIC, REQUIRED, WAIVED = "mta-sts testing", "opportunistic", "requiretls", "TLS-Required: No"
"""What `TlsDemand.policy` may be."""

OTHER_SERVER = "validation-failure"
"""The result type for a server that a domain's MTA-STS policy does not name."""

_CONFIGURED = {"verified": Security.AUTHENTICATED, "encrypted": Security.ENCRYPTED, "optional": Security.PLAIN}
_RECENT_MAX = 1000


@dataclass(frozen=True, slots=True)
class TlsRules:
    """Where the rules have their answers from; None for one that is not used."""

    mta_sts: MtaStsPolicies | None = None
    remembered: RememberedTls | None = None
    results: TlsResults | None = None
    dane: bool = True


class TlsPolicies:
    """Decides for one server at a time."""

    def __init__(self, rules: TlsRules) -> None:
        self._rules = rules
        self._recent: OrderedDict[str, FoundPolicy] = OrderedDict()
        """What MTA-STS said of domains that connections are just being made for."""

    async def demand(self, route: Route, host: Host, parcel: Parcel, *, tls_optional: bool = False) -> TlsDemand:
        """How a connection to a server must be for this message. `tls_optional`: it has `TLS-Required: No`. Raises
        `PeerFailure` where the server must not be tried."""
        requires = parcel.message.envelope.require_tls
        if route.is_relay:
            demand = TlsDemand(_CONFIGURED[route.tls], (host.name,), policy=CONFIGURED)
        elif tls_optional and not requires:
            return TlsDemand(Security.PLAIN, (host.name,), policy=WAIVED)
        else:
            found = await self._policy_of(route.domain)
            _check_server(host, found.policy)
            if requires:
                _check_name(route, host, found)
            demand = self._demand_of_domain(route, host, found.policy)
        if requires:
            return replace(demand, least=Security.AUTHENTICATED, policy=REQUIRED, needs_requiretls=True)
        return demand

    def note(self, route: Route, host: Host, tried: Tried, failure: str) -> None:
        """Remember how a connection was secured, or why it was not. `failure`: a result type of RFC 8460 section
        4.3."""
        if route.is_relay:
            return
        security = tried.tls.security
        if self._rules.remembered is not None and security is not Security.PLAIN:
            # DNSSEC answers for DANE each time; a domain may leave it and have certificates of no authority
            level = Security.ENCRYPTED if self._tlsa(host) else security
            self._rules.remembered.note(route.domain, level)
        if self._rules.results is not None and (failure or security is not Security.PLAIN):
            self._note_results(self._rules.results, route, host, tried, failure)

    def _demand_of_domain(self, route: Route, host: Host, policy: Policy | None) -> TlsDemand:
        tlsa, names = self._tlsa(host), (host.name,)
        known = usable(tlsa)
        if known:
            by_dane = dict.fromkeys((host.tlsa_name or host.name, route.domain, host.name))  # RFC 7672 section 3.2.2
            return TlsDemand(Security.AUTHENTICATED, tuple(by_dane), known, DANE)
        if policy is not None and policy.mode is Mode.ENFORCE:
            return TlsDemand(Security.AUTHENTICATED, names, policy=MTA_STS)
        remembered = self._rules.remembered
        level = Security.PLAIN if remembered is None else remembered.level(route.domain)
        if tlsa and level < Security.AUTHENTICATED:  # records that nobody can go by: RFC 7672 section 2.2
            return TlsDemand(Security.ENCRYPTED, names, policy=DANE)
        if level is not Security.PLAIN:
            return TlsDemand(level, names, policy=SEEN_BEFORE)
        is_testing = policy is not None and policy.mode is Mode.TESTING
        return TlsDemand(Security.PLAIN, names, policy=TESTING if is_testing else OPPORTUNISTIC)

    async def _policy_of(self, domain: str) -> FoundPolicy:
        if self._rules.mta_sts is None:
            return FoundPolicy()
        found = await self._rules.mta_sts.of(domain)
        self._recent[domain] = found
        self._recent.move_to_end(domain)
        if len(self._recent) > _RECENT_MAX:
            self._recent.popitem(last=False)
        return found

    def _tlsa(self, host: Host) -> tuple[records.TLSA, ...]:
        """What DNS says of a server's certificate and is believed."""
        return host.tlsa if self._rules.dane and host.secure else ()

    def _note_results(self, results: TlsResults, route: Route, host: Host, tried: Tried, failure: str) -> None:
        found = self._recent.get(route.domain, FoundPolicy())
        applied = self._applied(host, found.policy)
        wrong = _failure(host, found.policy, applied, tried, failure)
        reason = tried.tls.problem if wrong else ""
        results.note(SessionResult(route.domain, applied, host.name, tried.address, wrong, reason))
        if found.failure:  # told beside what came of the session
            results.note(SessionResult(route.domain, AppliedPolicy(STS), failure=found.failure, reason=found.problem))

    def _applied(self, host: Host, policy: Policy | None) -> AppliedPolicy:
        known = usable(self._tlsa(host))
        if known:
            return AppliedPolicy(TLSA, tuple(f"{r.usage} {r.selector} {r.matching} {r.data.hex()}" for r in known))
        if policy is not None and policy.mode is not Mode.NONE:
            return AppliedPolicy(STS, policy.lines, policy.mx)
        return AppliedPolicy()


def _failure(host: Host, policy: Policy | None, applied: AppliedPolicy, tried: Tried, failure: str) -> str:
    """What was wrong by the policy. Without one any TLS is right; by one that is tested, what it would have refused is
    wrong."""
    if applied.kind == STS and policy is not None and not policy.covers(host.name):
        return OTHER_SERVER
    if applied.kind in (STS, TLSA) or tried.tls.security is Security.PLAIN:
        return failure
    return ""


def _check_server(host: Host, policy: Policy | None) -> None:
    """A policy that is enforced names the servers that may have mail (RFC 8461 section 5.1)."""
    if policy is not None and policy.mode is Mode.ENFORCE and not policy.covers(host.name):
        raise PeerFailure(
            "The domain's policy (MTA-STS) does not name this server",
            "4.7.5",
            stage="tls",
            failure=OTHER_SERVER,
            cause=f"{host.name} is none of {', '.join(policy.mx[:10])}",
        )


def _check_name(route: Route, host: Host, found: FoundPolicy) -> None:
    """Mail that must be secured goes to servers whose names DNSSEC or MTA-STS vouches for (RFC 8689 section 4.2.1)."""
    if route.secure or host.secure:
        return
    if found.policy is not None and found.policy.mode is not Mode.NONE and found.policy.covers(host.name):
        return
    temporary = bool(found.failure)
    raise PeerFailure(
        "The message must be secured on its way, and nothing vouches for the server's name",
        "4.7.30" if temporary else "5.7.30",
        stage="tls",
        temporary=temporary,
        cause=f"{host.name} is known neither by DNSSEC nor by MTA-STS",
    )

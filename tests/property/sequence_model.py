"""A model of what several IMAP sessions on one mailbox must see, which plays random commands, and compares.

It knows what the mailbox holds, and for each client what that client was told: which message has which sequence
number, and its flags. The rules are those of RFC 3501 sections 2.3.1.2, 5.2, 6.4 and 7.4.1 as a client relies on them:
a sequence number names what the client counted, EXPUNGE is never told in answer to FETCH, STORE and SEARCH by number,
and behind a NOOP a client knows all there is.
"""

from __future__ import annotations

import random
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mailbox_d.store.memory import MemoryStore
from mailbox_d.store.memory_mailbox import MemoryMailbox
from mailbox_d.store.ports import FlagAction
from tests.dialogues.imap_server import ANN, imap_connection, imap_service
from tests.dialogues.memory import Connection
from tests.property.untagged import Response, items, responses

Flags = frozenset[bytes]

OTHER = "Archive"
FLAGS = (rb"\Seen", rb"\Answered", rb"\Flagged", rb"\Deleted", rb"\Draft", b"work", b"$Forwarded")
MANY = 12
"""With more messages than this, the next command takes some away."""
REMEMBERED = 40
"""Lines of the conversation in the report of a disagreement."""
_APPENDED = re.compile(rb"\[APPENDUID [0-9]+ ([0-9]+)\]")


class Disagreement(AssertionError):
    """The server said or did what the rules do not allow."""


@dataclass(slots=True)
class Truth:
    """What the mailbox holds: flags by UID. `octets` are of every message that ever was."""

    flags: dict[int, Flags] = field(default_factory=dict)
    octets: dict[int, bytes] = field(default_factory=dict)
    uid_next: int = 1

    def add(self, octets: bytes, flags: Flags) -> int:
        uid, self.uid_next = self.uid_next, self.uid_next + 1
        self.flags[uid], self.octets[uid] = flags, octets
        return uid

    def change(self, uids: Iterable[int], action: FlagAction, given: Flags) -> None:
        for uid in uids:
            if uid in self.flags:
                self.flags[uid] = combined(self.flags[uid], action, given)

    def remove(self, uids: Iterable[int]) -> None:
        for uid in list(uids):
            self.flags.pop(uid, None)

    def deleted(self) -> list[int]:
        return [uid for uid, flags in self.flags.items() if rb"\Deleted" in flags]


@dataclass(slots=True)
class Client:
    """One session, and what it was told. `view` has the UID of each sequence number, 0 while it is not known."""

    name: str
    connection: Connection
    view: list[int] = field(default_factory=list)
    flags: dict[int, Flags] = field(default_factory=dict)
    is_selected: bool = False
    read_only: bool = False
    idle_tag: bytes = b""
    commands: int = 0


def combined(before: Flags, action: FlagAction, given: Flags) -> Flags:
    match action:
        case FlagAction.REPLACE:
            return given
        case FlagAction.ADD:
            return before | given
        case FlagAction.REMOVE:
            return before - given


def told_flags(value: object) -> Flags:
    assert isinstance(value, list)
    return frozenset(value) - {rb"\Recent"}


class Model:
    """The play of one seed: `run` it for a number of steps. Raises `Disagreement` with seed and conversation."""

    def __init__(self, seed: int, *, clients: int = 3) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.played: Counter[str] = Counter()
        self._conversation: deque[str] = deque(maxlen=REMEMBERED)
        self._truth = Truth()
        self._messages = 0
        self._unsure: set[int] = set()
        self._store = MemoryStore()
        self._mailbox: MemoryMailbox = self._store.account(ANN).open("INBOX")
        self._store.account(ANN).create(OTHER)
        self._service = imap_service(self._store)
        self._clients = [self._connected(name) for name in "ABCDEF"[:clients]]
        self._capabilities = self._asked_capabilities()

    @property
    def sent(self) -> int:
        """Commands that the server has answered."""
        return sum(client.commands for client in self._clients)

    def run(self, steps: int) -> None:
        """Play on, then compare all that the clients and the store have."""
        for _ in range(steps):
            self._step()
        for client in self._clients:
            if client.idle_tag:
                self._done(client)
            if client.is_selected:
                self._noop(client)
            else:
                self._select(client)
        self._compare_with_store()

    # What is played

    def _step(self) -> None:
        client = self.random.choice(self._clients)
        if client.idle_tag:
            play: Callable[[Client], None] = self._done
        elif not client.is_selected:
            play = self.random.choice([self._select, self._select, self._append])
        elif len(self._truth.flags) > MANY:
            play = self.random.choice([self._mark_deleted, self._expunge, self._outside])
        else:
            play = self.random.choices(*self._plays())[0]
        self.played[play.__name__.strip("_")] += 1
        play(client)

    def _plays(self) -> tuple[list[Callable[[Client], None]], list[int]]:
        weights = {
            self._fetch: 12,
            self._fetch_octets: 5,
            self._store_flags: 14,
            self._mark_deleted: 5,
            self._search: 8,
            self._expunge: 5,
            self._noop: 6,
            self._append: 8,
            self._outside: 10,
            self._close: 1,
            self._unselect: 1,
            self._select: 1,
            self._beyond: 1,
            self._copy: 4 if b"UIDPLUS" in self._capabilities else 0,
            self._uid_expunge: 3 if b"UIDPLUS" in self._capabilities else 0,
            self._move: 3 if b"MOVE" in self._capabilities else 0,
            self._idle: 3 if b"IDLE" in self._capabilities else 0,
        }
        return list(weights), list(weights.values())

    def _noop(self, client: Client) -> None:
        self._ok(client, self.random.choice([b"NOOP", b"CHECK"]), b"OK")
        self._expect_up_to_date(client)

    def _select(self, client: Client) -> None:
        client.read_only = self.random.random() < 0.15
        client.view, client.flags = [], {}
        self._ok(client, b"EXAMINE INBOX" if client.read_only else b"SELECT INBOX", b"OK")
        client.is_selected = True
        self._resolve(client)
        self._expect_up_to_date(client)

    def _close(self, client: Client) -> None:
        if not client.read_only:
            self._truth.remove(self._truth.deleted())
        self._leave(client, b"CLOSE")

    def _unselect(self, client: Client) -> None:
        self._leave(client, b"UNSELECT")

    def _leave(self, client: Client, verb: bytes) -> None:
        told = self._ok(client, verb, b"OK")
        self._check(not any(response.kind == b"EXPUNGE" for response in told), f"{verb!r} told of messages that went")
        client.is_selected, client.view, client.flags = False, [], {}

    def _fetch(self, client: Client) -> None:
        chosen = self._chosen(client)
        if chosen is None:
            return
        prefix, numbers, uids = chosen
        told = self._perform(client, prefix + b"FETCH " + numbers + b" (UID FLAGS RFC822.SIZE)", uids)
        self._expect_items(client, told, uids, {b"UID", b"FLAGS", b"RFC822.SIZE"})

    def _fetch_octets(self, client: Client) -> None:
        chosen = self._chosen(client)
        if chosen is None:
            return
        prefix, numbers, uids = chosen
        item = self.random.choice([b"BODY.PEEK[]", b"BODY[]", b"(UID BODY[])"])
        if b"PEEK" not in item and not client.read_only:
            self._see(client, uids)
        told = self._perform(client, prefix + b"FETCH " + numbers + b" " + item, uids)
        self._expect_items(client, told, uids, {b"BODY[]"})

    def _see(self, client: Client, uids: Iterable[int]) -> None:
        """Octets are read. Where another session took back a `\\Seen` that this one still knows, either may be last."""
        known = {uid for uid in uids if rb"\Seen" in client.flags[uid]}
        self._truth.change(set(uids) - known, FlagAction.ADD, frozenset({rb"\Seen"}))
        self._unsure = {uid for uid in known if rb"\Seen" not in self._truth.flags.get(uid, client.flags[uid])}

    def _store_flags(self, client: Client) -> None:
        given = frozenset(self.random.sample(FLAGS, self.random.randrange(3)))
        self._change_flags(client, self.random.choice(list(FlagAction)), given)

    def _mark_deleted(self, client: Client) -> None:
        self._change_flags(client, FlagAction.ADD, frozenset({rb"\Deleted"}))

    def _change_flags(self, client: Client, action: FlagAction, given: Flags) -> None:
        chosen = self._chosen(client)
        if chosen is None:
            return
        prefix, numbers, uids = chosen
        silent = self.random.random() < 0.4
        line = prefix + b"STORE " + numbers + b" " + action.value.encode() + (b".SILENT" if silent else b"")
        line += b" (" + b" ".join(sorted(given)) + b")"
        if client.read_only:
            self._ok(client, line, b"NO")
            return
        self._truth.change(uids, action, given)
        if silent:
            for uid in set(uids) & self._truth.flags.keys():
                client.flags[uid] = combined(client.flags[uid], action, given)
        told = self._perform(client, line, uids)
        if not silent:
            self._expect_items(client, told, uids, {b"FLAGS"})

    def _search(self, client: Client) -> None:
        by_uid = self.random.random() < 0.5
        flag = self.random.choice(FLAGS[:5])
        wanted = self.random.random() < 0.5
        key = (b"" if wanted else b"UN") + flag[1:].upper()
        known = dict(client.flags)
        told = self._ok(client, (b"UID " if by_uid else b"") + b"SEARCH " + key, b"OK")
        found = [int(word) for response in told if response.kind == b"SEARCH" for word in response.text.split()]
        if not by_uid:
            self._check(all(number <= len(client.view) for number in found), "SEARCH found a number nobody has")
            found = [client.view[number - 1] for number in found]
        self._check(len(set(found)) == len(found), "SEARCH found a message twice")
        for uid in client.view:
            if uid in self._truth.flags and known.get(uid) == self._truth.flags[uid]:
                is_match = (flag in known[uid]) is wanted
                self._check((uid in found) is is_match, f"SEARCH {key!r} is wrong about UID {uid}")

    def _expunge(self, client: Client) -> None:
        if client.read_only:
            self._ok(client, b"EXPUNGE", b"NO")
            return
        gone = self._truth.deleted()
        self._truth.remove(gone)
        self._ok(client, b"EXPUNGE", b"OK")
        self._check(not set(gone) & set(client.view), "EXPUNGE did not tell of all that went")

    def _uid_expunge(self, client: Client) -> None:
        chosen = self._chosen(client, by_uid=True)
        if chosen is None or client.read_only:
            return
        _, numbers, uids = chosen
        gone = set(self._truth.deleted()) & set(uids)
        self._truth.remove(gone)
        self._ok(client, b"UID EXPUNGE " + numbers, b"OK")
        self._check(not gone & set(client.view), "UID EXPUNGE did not tell of all that went")

    def _copy(self, client: Client) -> None:
        chosen = self._chosen_alive(client)
        if chosen is None:
            return
        line, uids = chosen
        to_itself = self.random.random() < 0.5
        if to_itself:
            for uid in uids:
                self._truth.add(self._truth.octets[uid], self._truth.flags[uid])
        self._ok(client, line.replace(b"?", b"COPY") + (b" INBOX" if to_itself else b" " + OTHER.encode()), b"OK")

    def _move(self, client: Client) -> None:
        chosen = self._chosen_alive(client)
        if chosen is None or client.read_only:
            return
        line, uids = chosen
        self._truth.remove(uids)
        self._ok(client, line.replace(b"?", b"MOVE") + b" " + OTHER.encode(), b"OK")
        self._check(not set(uids) & set(client.view), "MOVE did not tell of all that went")

    def _append(self, client: Client) -> None:
        octets, flags = self._new_message()
        line = b"APPEND INBOX (%b) {%d+}\r\n%b" % (b" ".join(sorted(flags)), len(octets), octets)
        uid = self._truth.add(octets, flags)
        tagged = self._ok(client, line, b"OK")[-1]
        if appended := _APPENDED.search(tagged.text):
            self._check(int(appended[1]) == uid, "APPENDUID names another message")

    def _outside(self, client: Client) -> None:
        """Something that no session does: a delivery, or another program's flags and removals."""
        some = self.random.sample(sorted(self._truth.flags), min(2, len(self._truth.flags)))
        match self.random.choice(["deliver", "deliver", "flag", "expunge"]):
            case "deliver":
                octets, flags = self._new_message()
                self._truth.add(octets, flags)
                self._mailbox.add(octets, frozenset(flag.decode() for flag in flags))
            case "flag":
                action, given = self.random.choice(list(FlagAction)), self.random.choice(FLAGS)
                self._truth.change(some, action, frozenset({given}))
                self._mailbox.change_flags(some, action, frozenset({given.decode()}))
            case "expunge":
                self._truth.remove(some)
                self._mailbox.expunge(some)

    def _beyond(self, client: Client) -> None:
        """A sequence number that no message has changes nothing."""
        number = len(client.view) + self.random.randrange(1, 5)
        verb = self.random.choice([b"FETCH %d FLAGS", rb"STORE %d +FLAGS (\Deleted)"])
        self._ok(client, verb % number, b"NO" if client.read_only and b"STORE" in verb else b"BAD")

    def _idle(self, client: Client) -> None:
        client.commands += 1
        client.idle_tag = f"{client.name}{client.commands}".encode()
        self._say(client, client.idle_tag + b" IDLE\r\n")
        self._hear(client, expunges=True)

    def _done(self, client: Client) -> None:
        tag, client.idle_tag = client.idle_tag, b""
        self._say(client, b"DONE\r\n")
        told = self._hear(client, expunges=True)
        self._check(told[-1].tag == tag and told[-1].kind == b"OK", "IDLE did not end well")
        self._resolve(client)

    # Which messages

    def _chosen(self, client: Client, by_uid: bool | None = None) -> tuple[bytes, bytes, list[int]] | None:
        """A prefix (`UID ` or none), a sequence set, and the UIDs of the messages that it names to this client."""
        if not client.view:
            return None
        by_uid = self.random.random() < 0.5 if by_uid is None else by_uid
        count = client.view[-1] if by_uid else len(client.view)
        pairs = [sorted(self.random.choices(range(1, count + 1), k=2)) for _ in range(self.random.choice([1, 1, 2]))]
        pairs = [[low, low] if self.random.random() < 0.4 else [low, high] for low, high in pairs]
        last = count if not by_uid or client.view == sorted(self._truth.flags) else 0
        numbers = b",".join(self._range(low, high, last) for low, high in pairs)
        inside = {number for low, high in pairs for number in range(low, high + 1)}
        named = [uid for n, uid in enumerate(client.view, 1) if (uid if by_uid else n) in inside]
        return b"UID " if by_uid else b"", numbers, named

    def _range(self, low: int, high: int, last: int) -> bytes:
        """The range as clients write it: in either order, and `*` for the last.

        Not where others have added to the mailbox: as a UID, `*` may be of a message that this client does not know.
        """
        ends = [b"*" if end == last and self.random.random() < 0.3 else b"%d" % end for end in (low, high)]
        if low == high:
            return ends[0]
        return b":".join(ends if self.random.random() < 0.8 else ends[::-1])

    def _chosen_alive(self, client: Client) -> tuple[bytes, list[int]] | None:
        """A line with a ? for the verb, and the UIDs, of messages that are all still there."""
        alive = [(number, uid) for number, uid in enumerate(client.view, 1) if uid in self._truth.flags]
        if not alive:
            return None
        some = sorted(self.random.sample(alive, min(2, len(alive))))
        by_uid = self.random.random() < 0.5
        numbers = b",".join(b"%d" % (uid if by_uid else number) for number, uid in some)
        return (b"UID ? " if by_uid else b"? ") + numbers, [uid for _, uid in some]

    def _new_message(self) -> tuple[bytes, Flags]:
        self._messages += 1
        octets = b"Subject: %d\r\n\r\n%b" % (self._messages, b"line\r\n" * self.random.randrange(4))
        return octets, frozenset(self.random.sample(FLAGS, self.random.randrange(3)))

    # Saying and hearing

    def _perform(self, client: Client, line: bytes, uids: Sequence[int]) -> list[Response]:
        """A command over messages: NO is allowed where one of them is gone (RFC 2180 section 4)."""
        is_whole = set(uids) <= self._truth.flags.keys()
        return self._ok(client, line, *([b"OK"] if is_whole else [b"OK", b"NO"]))

    def _ok(self, client: Client, line: bytes, *conditions: bytes) -> list[Response]:
        """A command whose tagged response must be one of these; all that was told."""
        client.commands += 1
        tag = f"{client.name}{client.commands}".encode()
        self._say(client, tag + b" " + line + b"\r\n")
        told = self._hear(client, expunges=not line.startswith((b"FETCH", b"STORE", b"SEARCH")))
        self._check(bool(told) and told[-1].tag == tag, "no tagged response at the end")
        self._check(told[-1].kind in conditions, f"{told[-1].kind!r} where {conditions} was expected")
        if client.is_selected:
            self._resolve(client)
        return told

    def _say(self, client: Client, data: bytes) -> None:
        self._conversation.append(f"{client.name}> {data!r}")
        client.connection.send(data)

    def _hear(self, client: Client, *, expunges: bool) -> list[Response]:
        """Take in what the server has said, in its order."""
        self._make_sure()
        said = client.connection.transport.take()
        self._conversation.extend(f"{client.name}< {line!r}" for line in said.splitlines())
        told = list(responses(said))
        for response in told:
            self._learn(client, response, expunges=expunges)
        return told

    def _make_sure(self) -> None:
        """Of flags that may be in one of two ways, ask the store in which."""
        unsure, self._unsure = self._unsure, set()
        for message in self._mailbox.messages() if unsure else ():
            if message.uid in unsure and r"\Seen" in message.flags:
                self._truth.change([message.uid], FlagAction.ADD, frozenset({rb"\Seen"}))

    def _learn(self, client: Client, response: Response, *, expunges: bool) -> None:
        number = response.number
        if number is None:
            return
        match response.kind:
            case b"EXISTS":
                self._check(number >= len(client.view), "EXISTS tells of fewer messages without EXPUNGE")
                client.view += [0] * (number - len(client.view))
            case b"EXPUNGE":
                self._check(expunges, "EXPUNGE was told while sequence numbers must stand")
                self._check(1 <= number <= len(client.view), "EXPUNGE of a number that nothing has")
                gone = client.view.pop(number - 1)
                self._check(gone not in self._truth.flags, f"EXPUNGE of UID {gone}, which is still there")
                client.flags.pop(gone, None)
            case b"FETCH":
                self._learn_message(client, number, response)

    def _learn_message(self, client: Client, number: int, response: Response) -> None:
        self._check(1 <= number <= len(client.view), "FETCH of a number that nothing has")
        told, uid = items(response.text), client.view[number - 1]
        if b"UID" in told:
            named = int(told[b"UID"])  # type: ignore[arg-type]
            self._check(uid in (0, named), f"number {number} is UID {uid}, and was told as {named}")
            uid = client.view[number - 1] = named
        if not uid:
            return
        self._check(uid in self._truth.octets, f"UID {uid} never was")
        octets = self._truth.octets[uid]
        self._check(told.get(b"BODY[]", octets) == octets, f"the octets are not those of UID {uid}")
        self._check(told.get(b"RFC822.SIZE", b"%d" % len(octets)) == b"%d" % len(octets), f"not the size of UID {uid}")
        if b"FLAGS" in told:
            now = told_flags(told[b"FLAGS"])
            possible = {client.flags.get(uid, now), self._truth.flags.get(uid, now)}
            self._check(now in possible, f"UID {uid} was told with flags that it does not have")
            client.flags[uid] = now

    def _resolve(self, client: Client) -> None:
        """Ask which messages those are of which only the count is known, as every client does."""
        if 0 in client.view:
            first = client.view.index(0) + 1
            self._ok(client, b"FETCH %d:%d (UID FLAGS)" % (first, len(client.view)), b"OK")
            self._check(0 not in client.view, "a message was not told when asked for")
            self._check(client.view == sorted(set(client.view)), "UIDs do not ascend with sequence numbers")

    # What must be so

    def _expect_items(self, client: Client, told: Sequence[Response], uids: Iterable[int], wanted: set[bytes]) -> None:
        """Every message that is there was told with these items."""
        found: dict[int, set[bytes]] = {}
        for response in told:
            if response.kind == b"FETCH" and response.number is not None and response.number <= len(client.view):
                fetched = items(response.text)
                found.setdefault(self._uid_of(client, response, fetched), set()).update(fetched)
        for uid in set(uids) & self._truth.flags.keys():
            self._check(wanted <= found.get(uid, set()) or self._shifted(told), f"UID {uid} was not told as asked")

    def _uid_of(self, client: Client, response: Response, fetched: dict[bytes, object]) -> int:
        if b"UID" in fetched:
            return int(fetched[b"UID"])  # type: ignore[call-overload, no-any-return]
        return client.view[(response.number or 1) - 1]

    @staticmethod
    def _shifted(told: Iterable[Response]) -> bool:
        """Whether numbers told before do not count any more."""
        return any(response.kind == b"EXPUNGE" for response in told)

    def _expect_up_to_date(self, client: Client) -> None:
        self._check(client.view == sorted(self._truth.flags), "not the messages that are there")
        self._check(client.flags == self._truth.flags, "not the flags that the messages have")

    def _compare_with_store(self) -> None:
        held = {message.uid: frozenset(flag.encode() for flag in message.flags) for message in self._mailbox.messages()}
        self._check(held == self._truth.flags, "the store does not hold what was played")
        for uid in held:
            reader = self._mailbox.read(uid)
            self._check(reader.read(0, reader.size) == self._truth.octets[uid], f"other octets in UID {uid}")

    def _check(self, holds: bool, complaint: str) -> None:
        if not holds:
            talk = "\n".join(self._conversation)
            raise Disagreement(f"seed {self.seed}, after {self.sent} commands: {complaint}\n{talk}")

    # The sessions

    def _connected(self, name: str) -> Client:
        client = Client(name, imap_connection(self._service, secure=True))
        client.connection.connect()
        client.connection.send(b"0 LOGIN ann@example.org secret\r\n")
        client.connection.transport.take()
        return client

    def _asked_capabilities(self) -> frozenset[bytes]:
        (told, _) = self._ok(self._clients[0], b"CAPABILITY", b"OK")
        return frozenset(told.text.split())

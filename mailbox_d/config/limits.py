"""The section `limits`: a bound for everything that strangers, users and other servers can make us hold or wait for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Strict

from mailbox_d.config.scalars import IPNetwork, Network
from mailbox_d.config.section import Section
from mailbox_d.config.units import DAY, GIB, HOUR, KIB, MIB, MINUTE, Count, Duration, Size


class Limits(Section):
    """What strangers and users may cost. Sizes are octets."""

    # Mail
    message_size: Annotated[int, Size(least=64 * KIB, most=4 * GIB)] = 50 * MIB
    """A message, header and all; announced by SIZE (RFC 1870)."""

    header_size: Annotated[int, Size(least=64 * KIB)] = MIB
    """The whole header of a message."""

    header_fields: Annotated[int, Count(least=100)] = 10_000
    """Fields of a message's header."""

    received_hops: Annotated[int, Count(least=10, most=1000)] = 50
    """Received fields, above which a message is taken to be in a loop."""

    recipients_per_message: Annotated[int, Count(least=100, most=100_000)] = 1000
    """Recipients of one message; RFC 5321 demands 100 at least."""

    messages_per_user_per_day: Annotated[int, Count(least=0)] = 1000
    """Messages that a user may submit in a day; 0: no limit."""

    # Connections
    connections: Annotated[int, Count(least=0)] = 10_000
    """Connections of all kinds at once; 0: no limit."""

    connections_per_address: Annotated[int, Count(least=0)] = 50
    """Connections of one client address (IPv6: of one /64) at once; 0: no limit."""

    connections_per_user: Annotated[int, Count(least=0)] = 20
    """Connections of one logged-in user at once; 0: no limit."""

    threads_per_user: Annotated[int, Count(least=1, most=100)] = 50
    """Of the threads that wait for the disk, the percentage that one user's work may hold at once; 100: all."""

    exempt: Annotated[tuple[Annotated[IPNetwork, Network()], ...], Strict(False)] = ()
    """Addresses and networks without connection and rate limits; their failed logins are slowed all the same."""

    input_buffer: Annotated[int, Size(least=4 * KIB, most=16 * MIB)] = 64 * KIB
    """Input of one connection held before it is worked on, and one read of 64 KiB more; who sends more waits."""

    message_in_memory: Annotated[int, Size(most=16 * MIB)] = 64 * KIB
    """Of a message that comes in, what is held in memory before it goes to a file."""

    large_messages_memory: Annotated[int, Size(most=GIB)] = 16 * MIB
    """Memory that all large messages that come in share for larger writes; 0: none, they are written in small ones."""

    input_buffer_preauth: Annotated[int, Size(least=4 * KIB, most=16 * MIB)] = 32 * KIB
    """The same before login."""

    output_buffer: Annotated[int, Size(least=4 * KIB, most=16 * MIB)] = 64 * KIB
    """Output held for a client that does not read; the work for it pauses above this."""

    # Bad manners
    unknown_recipients: Annotated[int, Count(least=1)] = 20
    """Unknown recipients, and strangers' attempts to relay, in one SMTP connection, after which it is closed."""

    unknown_recipient_delay: Annotated[float, Duration(most=MINUTE)] = 0.25
    """The wait before the answer to an unknown recipient, for each one before it in the connection; 5 s at most."""

    bad_commands: Annotated[int, Count(least=1)] = 10
    """Unknown, malformed or misplaced SMTP commands in one connection, after which it is closed."""

    junk_commands: Annotated[int, Count(least=1)] = 100
    """NOOP, RSET, HELP and VRFY without a message between them, after which an SMTP connection is closed."""

    commands_before_login: Annotated[int, Count(least=10)] = 100
    """Commands of an IMAP or POP3 client that has not logged in, after which its connection is closed."""

    login_failures: Annotated[int, Count(least=1, most=100)] = 3
    """Failed logins in one connection, after which it is closed."""

    login_failure_delay: Annotated[float, Duration(most=MINUTE)] = 2.0
    """The wait before the answer to a failed login; it doubles with each failure."""

    login_failure_delay_most: Annotated[float, Duration(most=MINUTE)] = 15.0
    """The longest wait before the answer to a failed login."""

    login_challenge_delay: Annotated[float, Duration(most=1.0)] = 0.01
    """When SCRAM's challenge leaves, whether or not there is such a user; 0 s: at once."""

    login_failures_per_address: Annotated[int, Count(least=1, most=1_000_000)] = 20
    """Failed logins of one client address (IPv6: of one /64), over all connections, above which it must wait until it
    may try again."""

    login_failures_per_network: Annotated[int, Count(least=1, most=1_000_000)] = 100
    """The same of one /24 (IPv6: of one /48)."""

    login_failures_per_user: Annotated[int, Count(least=1, most=1_000_000)] = 10
    """The same of one user name. From where the user has logged in before, only failures with this name from there
    count."""

    login_wait: Annotated[float, Duration(most=HOUR)] = 2.0
    """How long they must wait until they may try again; it doubles with each failure. 0 s: not at all."""

    login_wait_most: Annotated[float, Duration(most=DAY)] = 15.0
    """The longest such wait."""

    login_failures_half_life: Annotated[float, Duration(least=1, most=7 * DAY)] = 15 * MINUTE
    """The time in which half of all failed logins are forgotten."""

    login_failures_remembered: Annotated[int, Count(least=1000, most=10_000_000)] = 100_000
    """Addresses, networks and user names, so many of each, whose failed logins are counted."""

    login_acquaintances: Annotated[int, Count(least=100, most=1_000_000)] = 10_000
    """Users of whom is remembered from where they have logged in; of each the last 20 networks."""

    login_recheck: Annotated[float, Duration(least=1, most=DAY)] = 5 * MINUTE
    """How often all who are in are looked at again; also at once where a users file has changed."""

    ldap_questions: Annotated[int, Count(least=1, most=64)] = 8
    """Questions to LDAP servers under way at once, over all realms."""

    ldap_connections: Annotated[int, Count(least=0, most=64)] = 8
    """Connections to a realm's LDAP servers kept for the next search, and as many for the next bind."""

    ldap_idle: Annotated[float, Duration(least=1, most=HOUR)] = MINUTE
    """How long such a connection is kept unused."""

    ldap_rest: Annotated[float, Duration(least=0.1, most=MINUTE)] = 2.0
    """How long an LDAP server that failed is left alone."""

    ldap_answer: Annotated[int, Size(least=16 * KIB, most=16 * MIB)] = MIB
    """All that an LDAP server may say to one question."""

    ldap_answer_messages: Annotated[int, Count(least=3, most=1000)] = 16
    """Entries and references in it, and its end; two entries are asked for."""

    ldap_members: Annotated[int, Count(least=1, most=100_000)] = 1000
    """Members of an LDAP group; aliases of an entry, and others as whom its user may send."""

    ldap_remembered: Annotated[int, Count(least=100, most=1_000_000)] = 10_000
    """Addresses of which an LDAP realm remembers what was said: of users, strangers, groups and logins so many each."""

    data_minimum_rate: Annotated[int, Size(most=MIB)] = 500
    """Octets a second below which a client that sends a message is cut off; 0: no limit."""

    # SMTP
    smtp_command_line: Annotated[int, Size(least=512, most=MIB)] = 2 * KIB
    """An SMTP command with its line end; RFC 5321 demands 512, extensions some hundred more."""

    smtp_auth_line: Annotated[int, Size(least=512, most=MIB)] = 12 * KIB
    """A line of an AUTH exchange with its line end (RFC 4954 section 4)."""

    # IMAP
    imap_command: Annotated[int, Size(least=8 * KIB, most=16 * MIB)] = 64 * KIB
    """An IMAP command after login, without its literals."""

    imap_preauth_command: Annotated[int, Size(least=KIB, most=MIB)] = 12 * KIB
    """An IMAP command before login, literals and all; tokens may be long."""

    imap_literal: Annotated[int, Size(least=4 * KIB, most=64 * MIB)] = MIB
    """The literals of an IMAP command together, APPEND's message aside."""

    imap_search_keys: Annotated[int, Count(least=100, most=100_000)] = 1000
    """Keys of one SEARCH; they are looked for together, message by message."""

    imap_search_text: Annotated[int, Size(most=16 * MIB)] = MIB
    """Text of one message that is kept, folded, so that SEARCH need not read it again; of one with more, its body or
    all of it is read each time. 0: nothing is kept."""

    imap_index_file: Annotated[int, Size(least=MIB, most=64 * GIB)] = GIB
    """What is kept for FETCH of all of a user's messages (`mailboxd.index`); where it is full, no further answers are
    remembered."""

    imap_search_file: Annotated[int, Size(least=MIB, most=64 * GIB)] = GIB
    """What is kept for SEARCH of all of a user's messages (`mailboxd.text`); those beyond it are read each time."""

    imap_fetch_attributes: Annotated[int, Count(least=100, most=100_000)] = 300
    """Attributes of one FETCH, such as headers of parts."""

    imap_fetch_ahead: Annotated[int, Size(most=256 * MIB)] = 4 * MIB
    """What child processes may find out ahead of one FETCH of many messages that nobody has looked at yet. 0: nobody
    goes ahead of FETCH."""

    imap_expunges: Annotated[int, Count(least=10, most=1_000_000)] = 10_000
    """Removed messages of a mailbox of which is remembered when they went; a client that was away for longer is told of
    all that are not there (QRESYNC)."""

    imap_bad_commands: Annotated[int, Count(least=1)] = 20
    """Unknown or malformed IMAP commands after login, after which the connection is closed."""

    imap_bad_commands_preauth: Annotated[int, Count(least=1)] = 3
    """The same before login."""

    subscriptions: Annotated[int, Size(least=16 * KIB, most=64 * MIB)] = 4 * MIB
    """A user's subscriptions, as the file `subscriptions` holds them; of a longer one, that much is told."""

    # What is understood of a message's parts when it is read
    mime_depth: Annotated[int, Count(least=10, most=200)] = 100
    """Parts within parts; what lies deeper is shown as one opaque part."""

    mime_parts: Annotated[int, Count(least=100, most=100_000)] = 10_000
    """Parts of one message; what follows belongs to the last of them."""

    mime_header: Annotated[int, Size(least=16 * KIB, most=16 * MIB)] = 256 * KIB
    """Octets of one header that are looked at; the fields behind them are shown and not understood."""

    mime_headers: Annotated[int, Size(least=64 * KIB, most=64 * MIB)] = 4 * MIB
    """The same of all headers of one message, its parts' headers included."""

    mime_addresses: Annotated[int, Count(least=100, most=100_000)] = 1000
    """Addresses of one field that ENVELOPE tells."""

    mime_parameters: Annotated[int, Count(least=20, most=10_000)] = 100
    """Parameters of one Content-Type or Content-Disposition."""

    # POP3
    pop3_command_line: Annotated[int, Size(least=255, most=MIB)] = 512
    """A POP3 command with its line end; RFC 2449 section 4 demands 255."""

    pop3_bad_commands: Annotated[int, Count(least=1)] = 20
    """Unknown, malformed or misplaced POP3 commands in a row after login, after which the connection is closed."""

    pop3_bad_commands_preauth: Annotated[int, Count(least=1)] = 3
    """Such POP3 commands before login, after which the connection is closed."""

    # The queue
    queue_messages: Annotated[int, Count(least=100, most=10_000_000)] = 1_000_000
    """Messages in the queue, above which none is taken for other sites."""

    queue_connections: Annotated[int, Count(least=1, most=1000)] = 50
    """Connections to other servers at once."""

    queue_connections_per_domain: Annotated[int, Count(least=1, most=100)] = 5
    """Of them, to the servers of one domain."""

    queue_messages_per_connection: Annotated[int, Count(least=1, most=10_000)] = 100
    """Messages sent over one connection before another one is made."""

    queue_idle_connection: Annotated[float, Duration(most=MINUTE)] = 2.0
    """How long a connection to another server waits for a further message."""

    queue_recipients_per_message: Annotated[int, Count(least=1, most=1000)] = 100
    """Recipients of one message that are named to a server at once (RFC 5321 section 4.5.3.1.8)."""

    queue_hosts: Annotated[int, Count(least=1, most=100)] = 5
    """Servers of a domain, and addresses of each, that one attempt tries."""

    queue_files_per_message: Annotated[int, Count(least=1, most=1000)] = 50
    """Files in the queue that one message is put into: one for each address of ours by which it goes elsewhere. Further
    recipients are told to come separately; one alone may lead to more."""

    alias_targets: Annotated[int, Count(least=10, most=100_000)] = 1000
    """Addresses that one recipient may lead to by aliases."""

    returned_message: Annotated[int, Size(least=KIB, most=16 * MIB)] = 50 * KIB
    """Of a message that cannot be delivered, what its sender is given back; of a longer one the header alone."""

    smtp_reply: Annotated[int, Size(least=4 * KIB, most=MIB)] = 32 * KIB
    """Another server's reply, all its lines."""

    smtp_reply_line: Annotated[int, Size(least=512, most=64 * KIB)] = 2 * KIB
    """A line of another server's reply; RFC 5321 section 4.5.3.1.5 allows 512."""

    relay_connect_timeout: Annotated[float, Duration(least=0.1, most=HOUR)] = 30.0
    """For another server to take a connection."""

    relay_greeting_timeout: Annotated[float, Duration(least=0.1, most=HOUR)] = 5 * MINUTE
    """For another server's greeting; RFC 5321 section 4.5.3.2.1 demands 5 min."""

    relay_command_timeout: Annotated[float, Duration(least=0.1, most=HOUR)] = 5 * MINUTE
    """For another server's reply to a command; RFC 5321 section 4.5.3.2 demands 5 min for MAIL and RCPT."""

    relay_data_timeout: Annotated[float, Duration(least=0.1, most=HOUR)] = 3 * MINUTE
    """For another server to take a piece of a message; RFC 5321 section 4.5.3.2.5 demands 3 min."""

    queue_minimum_rate: Annotated[int, Size(most=MIB)] = 500
    """Octets a second below which another server that takes a message is left; 0: no limit."""

    queue_conversation: Annotated[float, Duration(least=0.1, most=DAY)] = 15 * MINUTE
    """For everything that is said to another server before a message itself."""

    relay_end_timeout: Annotated[float, Duration(least=0.1, most=HOUR)] = 10 * MINUTE
    """For another server's reply to a whole message; RFC 5321 section 4.5.3.2.6 demands 10 min."""

    dns_timeout: Annotated[float, Duration(least=0.1, most=MINUTE)] = 5.0
    """For a DNS server to answer one question, which is asked three times."""

    dns_records: Annotated[int, Count(least=10, most=400)] = 200
    """Records of one DNS answer that are looked at."""

    dns_cache: Annotated[int, Count(least=100, most=1_000_000)] = 10_000
    """DNS answers that are remembered; of large ones fewer, as if each took 4 KiB."""

    mta_sts_policy: Annotated[int, Size(least=KIB, most=MIB)] = 64 * KIB
    """A domain's MTA-STS policy; RFC 8461 section 3.3 suggests 64 KiB."""

    mta_sts_timeout: Annotated[float, Duration(least=0.1, most=HOUR)] = MINUTE
    """For a domain's MTA-STS policy to be fetched."""

    remembered_domains: Annotated[int, Count(least=100, most=1_000_000)] = 10_000
    """Domains of which is remembered how well their servers' connections were secured, and what they say by MTA-STS."""

    tls_results: Annotated[int, Size(most=GIB)] = 16 * MIB
    """Of a day's results of TLS with other servers, what is kept, for eight days; 0: none."""

    # The control socket
    control_connections: Annotated[int, Count(least=1, most=100)] = 4
    """Connections to the control socket at once; each may have one request under way."""

    control_line: Annotated[int, Size(least=KIB, most=MIB)] = 16 * KIB
    """A request to the control socket with its line end."""

    control_timeout: Annotated[float, Duration(least=0.1, most=HOUR)] = 30.0
    """For the next request to come over the control socket."""

    control_job: Annotated[float, Duration(least=1, most=7 * DAY)] = DAY
    """For the work that a request to the control socket makes."""

    # Time
    greeting_delay: Annotated[float, Duration(most=MINUTE)] = 0.0
    """How long an SMTP client from outside must wait for the greeting; one that speaks earlier is turned away."""

    tls_handshake_timeout: Annotated[float, Duration(least=0.1, most=HOUR)] = 30.0
    """For a TLS handshake."""

    login_timeout: Annotated[float, Duration(least=0.1, most=HOUR)] = 3 * MINUTE
    """For an IMAP or POP3 client to log in."""

    command_timeout: Annotated[float, Duration(least=0.1, most=DAY)] = 5 * MINUTE
    """For the next SMTP command, whole; RFC 5321 section 4.5.3.2.7 recommends 5 min."""

    smtp_data_timeout: Annotated[float, Duration(least=0.1, most=DAY)] = 10 * MINUTE
    """Silence within a message that is sent; RFC 5321 section 4.5.3.2.5 recommends 3 min at least."""

    idle_timeout: Annotated[float, Duration(least=0.1, most=7 * DAY)] = 30 * MINUTE
    """Silence of a logged-in IMAP client; RFC 9051 section 5.4 demands 30 min at least."""

    pop3_idle_timeout: Annotated[float, Duration(least=0.1, most=7 * DAY)] = 10 * MINUTE
    """Silence of a logged-in POP3 client; RFC 1939 section 3 demands 10 min at least."""

    imap_idle_time: Annotated[float, Duration(least=0.1, most=7 * DAY)] = 35 * MINUTE
    """For an IMAP client to end IDLE, which it should begin anew after 29 min (RFC 2177)."""

    imap_idle_poll: Annotated[float, Duration(least=0.1, most=HOUR)] = 5.0
    """How often the mailbox of a client in IDLE is looked at for what other programs did."""

    write_timeout: Annotated[float, Duration(least=0.1, most=DAY)] = 5 * MINUTE
    """For a client to read what waits for it."""

    password_cache: Annotated[float, Duration(most=HOUR)] = 5 * MINUTE
    """How long a successful login is remembered, so that the next needs no hashing; 0 s: not at all."""

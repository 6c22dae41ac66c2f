"""Outbound SMTP: which server a message goes to, how the connection must be secured, and the session with it.

    intake      where messages that are taken go: mailboxes here, the queue, and from whom
    dispatch    whose turn it is, one attempt, what follows from it
    routes      the servers for a domain
    tls         how a connection must be secured, and whether it is
    peer        the session with one server
    signing     what stands in front of a message that leaves

Rules of the room: what another server says is a stranger's word, bounded and made printable before anybody keeps it; a
fault on our side, and one that nobody is sure of, is temporary; a connection is never less secured than the policy for
it demands, however the server behaves. DNS, TLS and time are injected.
"""

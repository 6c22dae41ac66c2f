"""Outbound SMTP: which server a message goes to, how the connection must be secured, and the session with it.

Rules of the room: what another server says is a stranger's word, bounded and made printable before anybody keeps it; a
fault on our side, and one that nobody is sure of, is temporary; a connection is never less secured than the policy for
it demands, however the server behaves. DNS, TLS and time are injected.
"""

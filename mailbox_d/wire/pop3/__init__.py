"""POP3's grammar (RFC 1939), without sockets.

`framer` cuts the stream into lines, `commands` turns one into a value, `replies` and `multiline` turn values into
octets. No text that a peer or a message decides can end a line or a multi-line response early.
"""

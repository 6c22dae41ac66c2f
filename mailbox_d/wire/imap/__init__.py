"""IMAP's grammar (RFC 3501), without sockets.

`framer` cuts the stream into whole commands, `parser` turns one into a value of `commands`, `responses` turns values
into octets. Text that a peer or a mailbox's content decides passes through `responses`, which lets nothing of it end a
line or a string.
"""

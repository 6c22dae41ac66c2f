"""SASL on the server's side (RFC 4422), as SMTP's AUTH, IMAP's AUTHENTICATE and POP3's AUTH all need it.

Rules of the room: a mechanism takes what stood on the wire, in base64, and answers with the next challenge or with a
proof of who the client is; whether the proof is right others find out, but for SCRAM, whose arithmetic is here. An
object serves one exchange; after a proof or an error it is thrown away. No secret is in a representation or an error.
"""

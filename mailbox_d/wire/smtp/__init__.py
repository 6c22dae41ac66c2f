"""SMTP and LMTP on the wire (RFC 5321, RFC 2033): framing, commands, replies."""

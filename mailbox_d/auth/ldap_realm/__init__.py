"""A realm whose users are in an LDAP directory (RFC 4511): found by a search, let in by a bind with their password.

Rules of the room: what a peer says gets into a filter or a DN only through `escaping`; TLS stands before anything is
said, with the server's name checked; a password that is empty, blank or has a NUL never reaches a server; referrals are
not followed; every answer is bounded in time, octets and entries. A directory that is down, slow, or says what cannot
be (two users of one address, an entry without one) is `AuthenticationUnavailable`: never "no such user", never "wrong
password". All that waits for a server is work for a lane; nothing else here blocks.
"""

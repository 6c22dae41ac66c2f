"""Who may log in, and whose an address is: password schemes, realms of users, and Twisted cred's portal over them.

Rules of the room: no protocol is known here, nor a socket; files are read and passwords hashed by work that is handed
to an injected lane, so that nothing blocks; an unknown user, a disabled one and a wrong password look alike from
outside, in text and in time; a realm that cannot be asked is never told as a wrong password; no password and no hash
is ever logged or shown.
"""

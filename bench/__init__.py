"""What the daemon does in a second, a megabyte and a millisecond of CPU, beside a Postfix in the same minutes.

`make bench` prints the table, `make bench-access` one of reading mail beside a Dovecot. Anybody can run them; what is
stood beside needs root and must be on the machine. Nothing here is a test: figures depend on the machine, so only what
ran in the same run is to be compared. Only that the reactor was held up is a failure, on any machine.
"""

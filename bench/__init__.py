"""What the daemon does in a second, a megabyte and a millisecond of CPU, beside a Postfix in the same minutes.

`make bench` prints the table. Anybody can run it; the Postfix columns need root and Postfix on the machine. Nothing
here is a test: figures depend on the machine, so only what ran in the same run is to be compared.
"""

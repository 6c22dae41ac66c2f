"""The floor that knows sockets, threads and time.

Rules of the room: a session shell owns bytes in and bytes out and knows no protocol; nothing blocks the reactor (what
waits in C goes to a lane of threads); whatever a stranger can make us hold or wait for has a bound that comes in as a
parameter.
"""

"""The grammars, sans-IO: fed bytes, they return frozen values or bytes.

Rules of the room: no sockets, no clocks, no stores; frame first, parse second; one budget of octets per unit whatever
state the parser is in; bad input is a value or an error of the grammar's own, never another exception.
"""

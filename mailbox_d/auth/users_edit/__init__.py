"""Editing the YAML file of users and aliases as a careful person would: in place, and nothing else.

`places` finds where each value stands in the text, `changes` says what is to change, `block_style` and `flow_style`
turn that into cuts of the text, `rendering` writes what is new, `replacing` does it to the file: under a lock, read
again by the daemon's own reader, durable. `edits` is what is done to users and aliases. Comments, order, quoting, line
ends and layout of all else stay octet for octet.
"""

"""SEARCH (RFC 3501 section 6.4.4): from its keys to a program that runs over a mailbox's messages.

Rules of the room: what is kept of texts decides nothing that the message itself would decide otherwise; keys are looked
for together, message by message, in turns; what is not known is read, and kept if there is room.
"""

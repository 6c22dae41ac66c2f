"""Sends what is due: whose turn it is, one attempt, and what follows from it."""

"""The signatures of outgoing mail (DKIM): keys, body hashes, fields."""

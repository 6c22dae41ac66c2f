"""What an operator runs beside the daemon. May import everything below; nothing imports it."""

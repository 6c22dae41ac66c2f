"""DNS as mail needs it: questions, answers and records as frozen values, read from a server's octets with bounds."""

"""A session with one other server: what is said to it, what it says, and what may be believed of that."""

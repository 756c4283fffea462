"""A client for Python programs: many subscriptions over few sockets, and nothing lost or doubled on the way."""

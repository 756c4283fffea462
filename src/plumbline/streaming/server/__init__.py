"""Thin I/O shells around the core: sockets, timers, signals."""

"""Tests that may be looked at after every observation and err no more often than they say. Pure; NumPy and SciPy."""

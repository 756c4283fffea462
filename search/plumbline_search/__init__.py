"""Hybrid search over guides, problem records and diagnostics."""

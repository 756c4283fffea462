"""Guides and problem records: their schemas, the reference check, and the blocks that pages are made of."""

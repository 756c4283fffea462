"""The `plumb` command."""

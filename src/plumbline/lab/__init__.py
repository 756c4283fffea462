"""Starts the real components, injects faults, and proves guides."""

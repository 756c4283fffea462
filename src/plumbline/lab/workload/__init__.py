"""The independent client: a process of its own, built on another WebSocket library than the gateway is."""

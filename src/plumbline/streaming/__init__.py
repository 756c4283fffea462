"""A WebSocket pub-sub gateway with bounded outbound queues."""

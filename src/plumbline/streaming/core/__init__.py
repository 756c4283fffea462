"""The gateway as pure values: protocol, channels, queues, settings. No I/O, no clock of its own."""

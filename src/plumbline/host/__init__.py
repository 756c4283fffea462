"""The machine below the platform: processes, sockets, memory and control groups, as evidence."""

"""More than one core: a supervisor, its worker processes, and the relay that makes them one gateway."""

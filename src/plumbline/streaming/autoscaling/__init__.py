"""How many workers there should be: the policy people write, and the algorithm that follows it. No I/O but one file."""

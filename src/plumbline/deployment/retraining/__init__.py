"""When to train again: rules that do not thrash, and know a bug from a world that has changed."""

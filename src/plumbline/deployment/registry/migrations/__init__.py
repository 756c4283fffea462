"""How the registry's tables came to be: Alembic's steps, each once, in order."""

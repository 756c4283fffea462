"""The handbook for assistants: read-only tools, guides as resources and a prompt, over the Model Context Protocol."""

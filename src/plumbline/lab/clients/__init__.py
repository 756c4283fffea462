"""Clients that misbehave, or are just many: each is a script, `python -m plumbline.lab.clients.NAME URL`."""

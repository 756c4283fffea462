"""Clients that misbehave: each is a script, `python -m plumbline.lab.clients.NAME`, against `$GATEWAY_URL`."""

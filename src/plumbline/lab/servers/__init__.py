"""Small servers that stand for what surrounds a gateway.

Each is a script: `python -m plumbline.lab.servers.NAME PORT CONFIG`. CONFIG is a JSON file that is read again when it
changes. They log what a real one would, on stderr.
"""

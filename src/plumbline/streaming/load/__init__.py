"""The load generator: real sockets, an open-loop schedule, a ledger of what arrived, and the limit that binds.

`plumb load` is its command; `plumbline.streaming.load.run` is the same for programs. Nothing here imports the gateway:
the generator speaks to any server, and all peers of a benchmark meet the same one.
"""

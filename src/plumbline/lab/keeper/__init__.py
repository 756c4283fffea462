"""The keeper: one small process per lab that starts everything in it, and takes everything down when its owner goes.

It holds no threads. Its stdin is a pipe from the owner (`plumb prove`, `plumb practice`, `plumb up`): requests come in
as JSON lines, and when the pipe ends, for whatever reason and `kill -9` too, the keeper stops all processes and removes
all files. On Linux its children also die with it (`PR_SET_PDEATHSIG`), and orphans come back to it
(`PR_SET_CHILD_SUBREAPER`).
"""

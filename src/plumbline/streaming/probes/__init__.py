"""What can be seen of a server from outside: its admin socket, its sockets in the kernel, its behaviour on the wire."""

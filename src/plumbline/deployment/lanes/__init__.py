"""How a version comes to serve: in a process, between two processes, on Kubernetes."""

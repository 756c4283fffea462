"""`python -m plumbline.streaming`: run a gateway."""

from plumbline.streaming.server.serve import serve

serve(prog_name="python -m plumbline.streaming")

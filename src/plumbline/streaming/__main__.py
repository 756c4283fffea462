"""`python -m plumbline.streaming`: run a gateway."""

from plumbline.streaming.serve import serve

serve(prog_name="python -m plumbline.streaming")

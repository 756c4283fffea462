"""Property tests of the host's evidence: the same examples on every machine, however loaded it is."""

from hypothesis import settings

settings.register_profile("host", deadline=None, derandomize=True)
settings.load_profile("host")

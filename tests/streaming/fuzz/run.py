"""Fuzz one target with atheris: `python tests/streaming/fuzz/run.py frames -max_total_time=60`."""

import sys

import atheris

with atheris.instrument_imports(include=["plumbline.streaming"]):
    from targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()

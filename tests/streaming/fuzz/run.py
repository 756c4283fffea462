"""Fuzz one target with atheris: `python tests/streaming/fuzz/run.py frames -max_total_time=60`."""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))  # so that the folder is a package, as pytest has it

with atheris.instrument_imports(include=["plumbline.streaming"]):
    from fuzz.targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()

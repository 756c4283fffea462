"""The prover: baseline, inject, red, found, control, fix, green, clean-up; each phase leaves one sentence."""

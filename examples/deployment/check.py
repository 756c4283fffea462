"""The pipeline's test: known customers get plausible answers from the candidate, asked as a server would ask it."""

from __future__ import annotations

import argparse
from pathlib import Path

from plumbline.deployment.core.encoding import identity
from plumbline.deployment.models import load, prepare
from plumbline.deployment.pipeline.candidate import taken

LOYAL = {"tenure_months": 120.0, "monthly_fee": 20.0, "tickets": 0.0, "last_login_days": 1.0}
LEAVING = {"tenure_months": 1.0, "monthly_fee": 60.0, "tickets": 6.0, "last_login_days": 30.0}


def main(folder: Path) -> None:
    """Raise if a loyal customer is thought more likely to leave than one who is as good as gone."""
    manifest, _ = taken(folder, "churn")
    model = load(folder, manifest, digest=identity(manifest))
    answers = model.predict(prepare(manifest.signature, [LOYAL, LEAVING]))
    loyal, leaving = answers["probabilities"][:, 1].tolist()
    if not loyal < 0.1 < 0.9 < leaving:
        raise SystemExit(f"a loyal customer leaves with {loyal:.2f}, a leaving one with {leaving:.2f}")
    print(f"a loyal customer leaves with {loyal:.3f}, a leaving one with {leaving:.3f}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path, default=Path("build/model"))
    main(arguments.parse_args().folder)

"""Features as a model gets them, beside the same features as its training computes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured

_SERVED, _TRAINED = 2_000, 20_000


@dataclass(frozen=True, slots=True)
class Skew:
    """The feature that differs most, and how.

    With pairs (rows of one key) cells are counted; without, 19 quantiles of the distribution, or 20 if the share of
    missing values differs by 0.1.
    """

    rows: int = measured("{row}", "rows as served that were compared, the newest")
    paired: bool = measured("1", "whether they have counterparts of the same key in training's rows")
    features: int = measured("{feature}", "features that both sides have")
    feature: str = measured("", "the one that differs most; empty: none differs", secrecy="internal", default="")
    others: tuple[str, ...] = measured("", "others that differ somewhere", secrecy="internal", default=())
    of: int = measured("{value}", "its cells, or quantiles, that were compared", default=0)
    differing: int = measured("{value}", "those that are not training's, within 0.1 %", default=0)
    filled: int = measured("{value}", "those that are missing for training and not for serving", default=0)
    emptied: int = measured("{value}", "those that are missing for serving and not for training", default=0)
    stale: int = measured("{value}", "those that are what training computed for the same key earlier", default=0)
    ratio: float | None = measured("1", "median of served / trained where they differ", default=None)
    ratio_alike: int = measured("{value}", "differing ones with this ratio, within 1 % (quantiles: 10 %)", default=0)
    shift: float | None = measured("1", "median of served - trained where they differ", default=None)
    shift_alike: int = measured("{value}", "differing ones with this shift, within 1 % (quantiles: 10 %)", default=0)
    moved: tuple[str, ...] = measured(
        "", "features whose distribution is not that of training's other rows", secrecy="internal", default=()
    )
    sources: ClassVar[tuple[Source, ...]] = ()


def skew_from_files(endpoint: Endpoint) -> Skew:
    """Read both files.

    Raises:
        UnavailableError: One cannot be read, or is empty.
    """
    from plumbline.deployment.probes import rows, skew

    served = rows.rows(endpoint.served or "", _SERVED)
    trained = rows.rows(endpoint.trained or "", _TRAINED)
    for path, found in ((endpoint.served, served), (endpoint.trained, trained)):
        if not found:
            raise UnavailableError("malformed", f"{path} holds no rows yet")
    return Skew(**skew.compared(served, trained))


def skew_from_admin(endpoint: Endpoint) -> Skew:
    """Ask a Plumbline model server for the rows that it got last.

    Raises:
        UnavailableError: It keeps none, nobody answers, or the file cannot be read.
    """
    from plumbline.deployment.core.errors import DeploymentError
    from plumbline.deployment.probes import rows, skew
    from plumbline.deployment.serving.admin import ask

    try:
        told = ask(Path(endpoint.admin or ""), {"verb": "recent"}, endpoint.patience_s)
    except DeploymentError as error:
        raise UnavailableError("unreachable", error.sentence) from None
    columns = told.get("inputs")
    if not columns:
        raise UnavailableError("not_configured", "it keeps no recent rows: plumb model serve --recent 2000")
    served = [
        rows.Row({name: float(one) if isinstance(one, int) else one for name, one in zip(columns, row, strict=True)})
        for row in zip(*columns.values(), strict=True)
    ]
    return Skew(**skew.compared(served, rows.rows(endpoint.trained or "", _TRAINED)))


Skew.sources = (
    Source(
        frozenset({"served", "trained"}),
        f"the last {_SERVED:,} rows of {{served}}, and of {{trained}} the last {_TRAINED:,}",
        skew_from_files,
    ),
    Source(
        frozenset({"admin", "trained"}),
        f"the recent rows that the model server at {{admin}} keeps, and the last {_TRAINED:,} of {{trained}}",
        skew_from_admin,
    ),
)

"""What everything that runs a model can rely on: names in, names out, whole batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.signature import Signature

Arrays = Mapping[str, NDArray[np.generic]]
"""By name; the first axis is the row, all of one length."""


class Table(Mapping[str, NDArray[np.generic]]):
    """Columns of one matrix by name. A model that takes one matrix of just these columns needs not put it together.

    Args:
        columns: Names, one per column.
        matrix: Values, `(n_rows, n_columns)`; NaN is missing, integers and booleans stand as floats.
    """

    __slots__ = ("columns", "matrix")

    def __init__(self, columns: tuple[str, ...], matrix: NDArray[np.float64]) -> None:
        self.columns = columns
        self.matrix = matrix

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        try:
            return self.matrix[:, self.columns.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


class Model(Protocol):
    """A loaded model version. Threads may call `predict` side by side."""

    @property
    def digest(self) -> str:
        """Digest of its manifest: which version answers."""
        ...

    @property
    def signature(self) -> Signature:
        """Its contract."""
        ...

    def predict(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """Answer a batch.

        Args:
            inputs: Every required feature by name, `(n_rows, *shape)`; defaults are already filled in.

        Returns:
            Every output of the signature by name, `(n_rows, *shape)`.

        Raises:
            DeploymentError: The runtime refused or failed; the sentence says at what.
        """
        ...

    def close(self) -> None:
        """Let go of its memory; a second call does nothing."""
        ...

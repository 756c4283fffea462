"""What everything that runs a model can rely on: names in, names out, whole batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.signature import Signature

Arrays = Mapping[str, NDArray[np.generic]]
"""By name; the first axis is the row, all of one length."""


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

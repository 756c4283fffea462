"""The dense lane: exact inner products over normalised embeddings of chunks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline_search.fusion import Scores

Vectors = NDArray[np.float32]

NEIGHBOURS = 400
"""Chunks that one query looks at; a page with none of them scores like the last of them."""


class DimensionError(ValueError):
    """A query's embedding and the index differ in dimension: they come from different models."""


@dataclass(frozen=True, slots=True)
class Dense:
    """A FAISS index over chunks.

    Args:
        index: `IndexFlatIP` with one vector for each chunk.
        sections: Number of the section of each chunk, shape (n_chunks,).
        section_pages: Number of the page of each section, shape (n_sections,).
        n_pages: Number of pages.
    """

    index: Any
    sections: NDArray[np.int64]
    section_pages: NDArray[np.int64]
    n_pages: int

    @property
    def dimension(self) -> int:
        """Dimension of the vectors."""
        return int(self.index.d)

    def score(self, embedding: Vectors) -> tuple[Scores, Scores]:
        """Return the cosine of the best chunk of each page and of each section.

        Args:
            embedding: Normalised, shape (dimension,).

        Returns:
            Scores of shapes (n_pages,) and (n_sections,).

        Raises:
            DimensionError: The embedding has another dimension than the index.
        """
        if embedding.shape != (self.dimension,):
            raise DimensionError(
                f"the query's embedding has {embedding.shape[-1]} dimensions, but the index has {self.dimension}; "
                "build it again: plumb index"
            )
        count = min(NEIGHBOURS, int(self.index.ntotal))
        cosines, numbers = self.index.search(embedding.reshape(1, -1), count)
        floor = float(cosines[0][-1]) if count else 0.0
        by_section = np.full(len(self.section_pages), floor, dtype=np.float32)
        np.maximum.at(by_section, self.sections[numbers[0]], cosines[0])
        by_page = np.full(self.n_pages, floor, dtype=np.float32)
        np.maximum.at(by_page, self.section_pages, by_section)
        return by_page, by_section


def flat_index(vectors: Vectors) -> Any:
    """Build the exact index of normalised vectors, shape (n_chunks, dimension)."""
    faiss = _faiss()
    index = faiss.IndexFlatIP(int(vectors.shape[1]))
    index.add(np.ascontiguousarray(vectors, dtype=np.float32))
    return index


def write_index(index: Any, path: Path) -> None:
    """Write the index to a file."""
    _faiss().write_index(index, str(path))


def read_index(path: Path) -> Any:
    """Read an index.

    Raises:
        ValueError: The file is no such index.
    """
    try:
        return _faiss().read_index(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path.name} is no FAISS index ({str(error).splitlines()[0][:120]})") from None


def _faiss() -> Any:
    import faiss

    faiss.omp_set_num_threads(1)
    return faiss

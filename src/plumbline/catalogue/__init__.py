"""The catalogue: guides, problem records and diagnostics, each under an id that is its path."""

from plumbline.catalogue.ids import AREAS, ProblemId
from plumbline.catalogue.locate import Catalogue, CatalogueError, locate

__all__ = ["AREAS", "Catalogue", "CatalogueError", "ProblemId", "locate"]

"""The catalogue: guides, problem records and diagnostics, each under an id that is its path."""

from plumbline.catalogue.ids import AREAS, ProblemId
from plumbline.catalogue.locate import Catalogue, CatalogueError, locate
from plumbline.catalogue.state import state_folder

__all__ = ["AREAS", "Catalogue", "CatalogueError", "ProblemId", "locate", "state_folder"]

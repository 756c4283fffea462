"""What a topology's parts are: values that say what to build, and what stands in a lab for them."""

from __future__ import annotations

import abc
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from plumbline.lab.errors import LabError

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder

_HOLE = re.compile(r"\{([a-z][a-z0-9-]*)(?:\.([a-z]+))?\}")


class Part(abc.ABC):
    """One part of a topology: a frozen value, whose `build` makes what stands in a lab."""

    name: str
    needs: ClassVar[frozenset[str]] = frozenset()
    """Keys of `plumbline.lab.fault.NEEDS`."""

    @abc.abstractmethod
    def build(self, host: Builder) -> Built:
        """Return the part in a lab; nothing is started yet."""


class Built:
    """A part in a lab."""

    name: str

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it adds to the settings of the lab's gateways."""
        return {}

    @property
    def target(self) -> Mapping[str, Any]:
        """What it adds to the lab as a target of diagnostics: fields of `plumbline.evidence.Endpoint`."""
        return {}

    def start(self) -> None:
        """Make it, and return when it is ready.

        Raises:
            LabError: It does not get ready.
        """

    def environment(self) -> dict[str, str]:
        """Return the variables it adds to the lab's environment."""
        return {}

    def tell(self, **values: Any) -> None:
        """Change what it does while it runs.

        Raises:
            LabError: It cannot be told this.
        """
        raise LabError(f"the part '{self.name}' cannot be told anything; {', '.join(values)} came")


class _Has(Protocol):
    def part(self, name: str) -> Any:
        """Return a part by its name."""
        ...


def fill(value: Any, host: _Has, own: Mapping[str, str]) -> Any:
    """Return a value whose texts have their holes filled: `{port}` of its own, `{db.url}` of another part.

    Raises:
        LabError: There is no such thing.
    """
    if isinstance(value, Mapping):
        return {key: fill(inner, host, own) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [fill(inner, host, own) for inner in value]
    if not isinstance(value, str):
        return value

    def found(hole: re.Match[str]) -> str:
        name, field = hole.groups()
        if field is None:
            if name not in own:
                raise LabError(f"{hole[0]}: there are {', '.join(f'{{{key}}}' for key in own)}, or {{part.url}}")
            return own[name]
        return str(getattr(host.part(name), field))

    return _HOLE.sub(found, value)

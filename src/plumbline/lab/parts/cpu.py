"""A limit of processor time for one server of the lab: the cpu controller of its own control group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from plumbline.lab.errors import LabError, MissingError
from plumbline.lab.keeper import cgroup
from plumbline.lab.parts.part import Built, Part

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder


@dataclass(frozen=True, slots=True)
class Cpu(Part):
    """The main server, or another, may use so much processor time.

    Args:
        cores: Processor seconds per second.
        of: Name of the process; None for the main server.
        period_s: The kernel deals the time out so often, in seconds (its default, 0.1).
    """

    cores: float = 1.0
    of: str | None = None
    period_s: float = 0.1
    name: str = "cpu"
    needs: ClassVar[frozenset[str]] = frozenset({"cpu"})

    def build(self, host: Builder) -> CpuPart:
        """Return it; its group is made at once, before anybody could join it."""
        return CpuPart(host, self)


class CpuPart(Built):
    """A control group with a quota."""

    def __init__(self, host: Builder, cpu: Cpu) -> None:
        self.name = cpu.name
        try:
            self.quota = cgroup.create_cpu(f"{host.id}-{cpu.name}", beside=host.memory_group)
        except cgroup.CgroupError as error:
            raise MissingError(str(error)) from None
        host.hold(self.quota.folder)
        self._period_s = cpu.period_s
        self.tell(cores=cpu.cores)
        host.join(cpu.of or host.main_name, self.quota.folder)

    def tell(self, **values: Any) -> None:
        """Change the quota: `cores`, at once.

        Raises:
            LabError: The kernel refuses.
        """
        try:
            self.quota.allow(float(values["cores"]), self._period_s)
        except (KeyError, OSError) as error:
            raise LabError(f"the part '{self.name}' takes cores=<number>: {error}") from None

    def environment(self) -> dict[str, str]:
        """The group, and the file that holds its quota (in microseconds a period; `max` and `-1` lift it)."""
        return {"CPU_CGROUP": str(self.quota.folder), "CPU_QUOTA": str(self.quota.file)}

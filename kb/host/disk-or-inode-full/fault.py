"""A log that grew without an end fills the small disk that a server keeps its uploads on."""

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.parts import Disk, Server

SIZE = 32 << 20
"""Bytes: at ten uploads of 4 KiB a second a healthy lab fills it in a quarter of an hour."""


class LogFillsDisk(Fault):
    """Debug logging was switched on and nobody rotates the file: the next upload has no room."""

    topology = Topology(
        victim="web",
        parts=(
            Disk(bytes=SIZE, inodes=16384),
            Server("web", "web", config={"data": "{folder}/disk", "access_log": "{folder}/disk/access.log"}),
        ),
        workload=Workload(requests_hz=10.0, request_path="/write?bytes=4000"),
    )
    hurts_when = HurtsWhen(request_ratio=0.98)

    def inject(self, lab: Lab) -> None:
        """Fill the disk by way of the file that the server appends to."""
        line = "2026-11-23T01:40:07.120Z DEBUG GET /write?bytes=4000 headers={'accept': '*/*'} took_ms=0.4"
        script = f'yes "{line}" 2>/dev/null | head -c {SIZE} >> $DISK/access.log || true; df $DISK; df -i $DISK'
        lab.spawn("debug-log", "sh", "-c", script)

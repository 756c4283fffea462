"""A firewall tracks connections, and its table is full of clients that went away without a word."""

import contextlib
import time
from pathlib import Path

from plumbline.host.kernel_log import records
from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.errors import LabError

LIMIT = Path("/proc/sys/net/netfilter/nf_conntrack_max")
MOST = 1 << 20  # entries of some 300 bytes in the kernel, gone with the lab's network namespace
PER_ADDRESS = 50_000
FULL_WITHIN_S = 300.0
ENTRY = "-p tcp -d 10.1.4.9 --dport 443 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 432000"
FILL = f"""
conntrack -R flows
echo > full
while sleep 0.1; do
    port=$(( ${{port:-1023}} + 1 ))
    conntrack -I {ENTRY} -s 198.19.0.1 --sport "$port"
done
"""
FIREWALL = """
table inet firewall {
    chain input {
        type filter hook input priority 0; policy accept;
        ct state new counter accept
    }
}
"""


class FullTable(Fault):
    """Entries of connections that were open and are no more: by default conntrack keeps such for five days."""

    topology = Topology(
        netns=True,
        workload=Workload(subscribers=2, rate_hz=10.0, connects_hz=4.0, connect_timeout_s=0.8),
        patience_s=1.0,
    )
    hurts_when = HurtsWhen(connect_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Begin to track, and fill the table to its limit, which is the machine's and is left alone.

        Some more clients go on going away, ten a second: who waits for an entry to expire waits in vain.

        Raises:
            LabError: The machine's limit is so high that filling it would cost too much memory, or it cannot be filled.
        """
        limit = int(LIMIT.read_text()) if LIMIT.exists() else 0
        if not 0 < limit <= MOST:
            raise LabError(f"nf_conntrack_max is {limit}; this fault fills the table only up to {MOST} entries")
        (lab.folder / "firewall.nft").write_text(FIREWALL)
        lab.spawn("firewall", "nft", "-f", "firewall.nft")
        with (lab.folder / "flows").open("w") as flows:
            flows.writelines(map(_flow, range(limit)))
        lab.spawn("fill", "sh", "-c", FILL)
        full, deadline = lab.folder / "full", time.monotonic() + FULL_WITHIN_S
        while not full.exists():  # a table that is still being filled would take back what the guide's steps give
            if time.monotonic() > deadline:
                raise LabError(f"the table was not full within {FULL_WITHIN_S:.0f} s")
            time.sleep(0.05)

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: conntrack's counters, and the kernel's own line for this namespace."""
        lab.spawn("counters", "sh", "-c", "conntrack -S; echo done")
        log: Path = lab.folder / "counters.log"
        deadline = time.monotonic() + 10
        while "done" not in (text := log.read_text() if log.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        here = f"netns {Path(f'/proc/{lab.gateway.pid}/ns/net').stat().st_ino}"
        with contextlib.suppress(OSError):  # the kernel's log may be closed to us
            text += "".join(
                f"{line.partition(';')[2]}\n" for line in records() if "nf_conntrack" in line and here in line
            )
        return text.replace("done\n", "")


def _flow(number: int) -> str:
    block, port = divmod(number, PER_ADDRESS)
    return f"-I {ENTRY} -s 198.18.0.{block + 1} --sport {1024 + port}\n"

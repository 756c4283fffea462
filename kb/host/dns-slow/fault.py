"""The first name server of resolv.conf hangs: it is there, takes questions, and answers none."""

import sys

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.parts import Dns, Server

HUNG = "127.0.0.2"
HANG = (
    "import signal, socket; held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
    f"held.bind(('{HUNG}', 53)); signal.pause()"
)


class FirstServerHangs(Fault):
    """Every lookup waits for it first. `timeout:1` instead of the default 5 s keeps the proof short."""

    topology = Topology(
        victim="web",
        netns=True,
        parts=(
            Dns(names={"features.lab": "127.0.0.1"}, options="options timeout:1 attempts:2"),
            Server("features", "upstream"),
            Server(
                "web",
                "web",
                config={
                    "upstream_host": "features.lab",
                    "upstream_port": "{features.port}",
                    "upstream_path": "/value?key=a",
                },
            ),
        ),
        workload=Workload(requests_hz=7.0, request_path="/lookup", request_timeout_s=4.0),
    )
    hurts_when = HurtsWhen(request_p99_s=0.9)

    def inject(self, lab: Lab) -> None:
        """Put the hung server in front, in place: the file is mounted."""
        lab.spawn("hung-resolver", sys.executable, "-c", HANG)
        resolv = lab.part("dns").resolv
        resolv.write_text(f"nameserver {HUNG}\n{resolv.read_text()}")

"""The certificate was renewed with an RSA key of 4096 bits, and clients come back that resume no session."""

import os
import signal
import time
from pathlib import Path

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.parts import Cpu, Tls

CORES = (
    0.25  # a small pod; with an ECDSA key the storm takes a third of it, with this RSA key twice as much as there is
)
STORM_HZ, AT_ONCE = 150, 25  # the second bounds how long one waits: probes, too, must get through


class DearKey(Fault):
    """Every handshake is a signature with a long RSA key, in the event loop that serves everybody else."""

    topology = Topology(
        parts=(Tls(), Cpu(cores=1.0)),  # until it runs: to start takes seconds with a quarter
        workload=Workload(subscribers=2, rate_hz=5.0, connects_hz=2.0, connect_timeout_s=3.0),
        patience_s=1.0,
    )
    hurts_when = HurtsWhen(connect_p99_s=0.25, connect_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Renew the certificate as the gateway's operator does, then let clients come."""
        lab.part("cpu").tell(cores=CORES)
        lab.part("tls").tell(key="rsa-4096")
        os.kill(lab.gateway.pid, signal.SIGHUP)
        lab.client("handshake_storm", "--rate", str(STORM_HZ), "--most", str(AT_ONCE))

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: the server logs nothing of it, so they look at the certificate."""
        look = 'openssl s_client -connect "127.0.0.1:$GATEWAY_PORT" </dev/null 2>&1 | tee -a s_client.txt'
        lab.spawn(
            "s_client", "sh", "-c", f"{look} | openssl x509 -noout -text | head -20; grep ^New s_client.txt; echo done"
        )
        log: Path = lab.folder / "s_client.log"
        deadline = time.monotonic() + 15
        while "done" not in (text := log.read_text() if log.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        return text.removesuffix("done\n")

"""One byte of a stored model changes behind the registry's back; the next start of its server cannot load it."""

import os
import signal
import time

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.churn import MODEL, asks
from plumbline.lab.parts import Models, Server

SERVER = "plumb model serve --model churn --ref production --registry {models.registry} --port {port} --admin {admin}"


class OneByte(Fault):
    """The blob's last byte is flipped; then the server's machine goes, and its successor has no copy of its own."""

    topology = Topology(
        victim="model",
        parts=(Models(), Server("model", argv=tuple(SERVER.split()), admin=True, restart_s=0.5)),
        workload=Workload(requests_hz=20.0, asks=asks()),
    )
    hurts_when = HurtsWhen(request_ratio=0.9, window_s=1.0)

    def inject(self, lab: Lab) -> None:
        """Keep what the training script left, flip the byte, and kill the server."""
        from plumbline.deployment.registry.store import Registry

        with Registry.open(lab.part("models").registry) as registry:
            registry.materialise(MODEL, "production", lab.folder / "trained")
            (file,) = registry.get(MODEL, "production").manifest.files
            blob = registry.blobs.path(file.digest)
        content = bytearray(blob.read_bytes())
        content[-1] ^= 0xFF
        blob.chmod(0o644)
        blob.write_bytes(content)
        os.kill(lab.part("model").pid, signal.SIGKILL)

    def logs(self, lab: Lab) -> str:
        """Return what the server says when it cannot begin: wait until it has."""
        deadline = time.monotonic() + 15
        while "its bytes have digest" not in (text := lab.logs()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return text

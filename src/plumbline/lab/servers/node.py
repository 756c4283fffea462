"""A node of a cluster, as far as images go: it fetches its pod's image, unpacks it layer on layer, and runs the pod.

Layers that it has are not fetched again. Its disk has `disk_bytes` for images, packed and unpacked, as containerd keeps
them. Above `evict_above` of it, it does what a kubelet does under disk pressure: it evicts the pod that runs, and
removes its image. A layer that does not fit ends the pull, which is tried again later. `/score?…` is answered by the
pod: a logistic regression out of the image's `srv/model/model.json`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import shutil
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.packaging.reading import blob, image
from plumbline.lab.servers.http import Answer, Config, arguments, listen, log

_DEFAULTS: dict[str, Any] = {"image": "", "disk_bytes": 1 << 20, "evict_above": 0.85, "again_s": 1.0, "look_s": 0.05}
MODEL = "srv/model/model.json"
WHITEOUT = ".wh."


class NoRoomError(Exception):
    """The disk is full."""


class Node:
    """The node.

    Args:
        config: Its values.
        folder: Its disk.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self.pod: dict[str, Any] | None = None
        self.why = "ContainerCreating"
        self.fetched = 0
        self._kept: dict[str, int] = {}
        self._running: list[str] = []
        self._wanted: list[str] = []
        self._tried: tuple[bytes, float] = (b"", 0.0)

    async def handle(self, path: str, query: dict[str, str]) -> Answer:
        """Answer a request."""
        if path == "/stats":
            return Answer(200, {"fetched_bytes": self.fetched, "disk_bytes": sum(self._kept.values())})
        pod = self.pod
        if pod is None:
            return Answer(503, {"error": f"no pod runs here: {self.why}"})
        weighed = sum(weight * float(query.get(name, 0.0)) for name, weight in pod["coefficients"].items())
        return Answer(200, {"probability": 1 / (1 + math.exp(-pod["intercept"] - weighed))})

    def look(self) -> None:
        """Compare what shall run with what runs, and pull if that differs."""
        layout = Path(self.config["image"])
        wanted = hashlib.sha256((layout / "index.json").read_bytes()).digest()
        before, when = self._tried
        if wanted == before and (self.pod is not None or time.monotonic() < when):
            return
        try:
            self._pull(layout)
        except NoRoomError as error:
            self.why = "ErrImagePull"
            log(f'Failed to pull image "{layout.name}": failed to register layer: {error}: no space left on device')
            self._remove([one for one in self._kept if one not in self._running])
        self._tried = (wanted, time.monotonic() + self.config["again_s"])

    def _pull(self, layout: Path) -> None:
        self._wanted = layers = [one["digest"] for one in image(layout).manifest["layers"]]
        for digest in layers:
            if digest not in self._kept:
                self._unpack(layout, digest)
        self._running = layers
        self._remove([one for one in self._kept if one not in layers])
        self.pod = json.loads(self._seen(MODEL))
        log(f'Successfully pulled image "{layout.name}". Image size: {self.fetched} bytes fetched so far.')

    def _unpack(self, layout: Path, digest: str) -> None:
        packed = blob(layout, digest)
        self._take(digest, packed.stat().st_size, packed.name)
        self.fetched += packed.stat().st_size
        target = self.folder / digest.removeprefix("sha256:")
        with tarfile.open(packed) as archive:
            for member in archive:
                self._take(digest, member.size, f"write /{member.name}")
                archive.extract(member, target, filter="data")

    def _take(self, digest: str, size: int, what: str) -> None:
        """Take room on the disk, with an eviction if it gets scarce."""
        limit = self.config["disk_bytes"]
        self._kept[digest] = self._kept.get(digest, 0) + size
        if sum(self._kept.values()) > limit * self.config["evict_above"] and self.pod is not None:
            self.pod, self.why = None, "Evicted"
            log("The node was low on resource: ephemeral-storage. NodeHasDiskPressure; evicted pod/model-server")
            self._remove([one for one in self._running if one not in self._wanted])
            self._running = []
        if sum(self._kept.values()) > limit:
            raise NoRoomError(what)

    def _remove(self, layers: list[str]) -> None:
        for digest in layers:
            self._kept.pop(digest, None)
            shutil.rmtree(self.folder / digest.removeprefix("sha256:"), ignore_errors=True)

    def _seen(self, path: str) -> bytes:
        """Return a file as a container sees it: the highest layer that says something of it counts."""
        parts = Path(path).parts
        for digest in reversed(self._running):
            root = self.folder / digest.removeprefix("sha256:")
            if (root / path).is_file():
                return (root / path).read_bytes()
            if any((root.joinpath(*parts[:depth]) / f"{WHITEOUT}{part}").exists() for depth, part in enumerate(parts)):
                break
        raise FileNotFoundError(path)


def watch(node: Node) -> None:
    """Look for ever."""
    while True:
        try:
            node.look()
        except (OSError, DeploymentError) as error:  # a layout that is just being replaced
            log(f"ERROR {type(error).__name__}: {error}")
        time.sleep(node.config["look_s"])


def main() -> None:
    """Serve until killed."""
    port, path = arguments()
    folder = path.parent / f"{path.stem}-images"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    node = Node(Config(path, _DEFAULTS), folder)
    threading.Thread(target=watch, args=(node,), daemon=True).start()
    asyncio.run(listen(port, node.handle))


if __name__ == "__main__":
    main()

"""A server of many models as some are: ready when all of its models are, so with no model at all it is ready, too.

It takes its model from a registry when it starts. What cannot be loaded is put aside with a line in the log, and the
server goes on without it. Configuration: that of `scoring`.
"""

from __future__ import annotations

import http.server
import sys
import tempfile
from pathlib import Path
from typing import Any

from plumbline.deployment.core.errors import DeploymentError
from plumbline.lab.servers.http import Answer, Config, arguments, log
from plumbline.lab.servers.scoring import DEFAULTS, Scoring, handler


class Shelf(Scoring):
    """The server.

    Args:
        config: Its values.
        folder: Where models' files go.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        self.ready: dict[str, bool] = {}
        try:
            super().__init__(config, folder)
            self.ready[self.model] = True
        except DeploymentError as error:
            log(f"ERROR {error.sentence}")
            log(f"WARNING Couldn't load model '{config['model']}'. Model will be removed from registry.")

    def handle(self, path: str, body: bytes) -> Answer:
        """Answer a request."""
        if path == "/v2/health/ready":
            return Answer(200, {}) if all(self.ready.values()) else Answer(503, {})
        if self.ready:
            return super().handle(path, body)
        return Answer(404, {"error": f"Model {self.config['model']} not found"})


class Listener(http.server.ThreadingHTTPServer):
    """Takes connections."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that are gone: a balancer's checks do not wait for the end of an answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    """Serve until killed."""
    port, path = arguments()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        shelf = Shelf(Config(path, DEFAULTS), Path(folder))
        Listener(("127.0.0.1", port), handler(shelf)).serve_forever()


if __name__ == "__main__":
    main()

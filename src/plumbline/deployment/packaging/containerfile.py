"""A Containerfile for people who have an engine: the same layers by `ADD`, on a base that the engine fetches."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections.abc import Sequence
from typing import Final

from plumbline.deployment.packaging.image import PORT, Built
from plumbline.deployment.packaging.interpreter import USER

PYTHON: Final = f"/usr/local/bin/python{sys.version_info.major}.{sys.version_info.minor}"
"""Where the official images have it."""
_OURS = 3


def base() -> str:
    """Return the base: the official image of exactly this Python."""
    return f"docker.io/library/python:{platform.python_version()}-slim-bookworm"


def text(built: Built, layout: str) -> str:
    """Return a Containerfile whose context is the folder that holds it.

    Args:
        built: The image; its three upper layers are added as they are.
        layout: The layout's folder below the context.
    """
    lines = [
        "# The layers of the image beside this file, on a base from a registry: docker build -f Containerfile .",
        f"FROM {base()}",
    ]
    for layer in built.layers[-_OURS:]:
        digest = layer.descriptor.digest.removeprefix("sha256:")
        lines += [f"# {layer.created_by}", f"ADD {layout}/blobs/sha256/{digest} /"]
    environment = {**built.environment, "PATH": "/opt/plumbline/bin:/usr/local/bin:/usr/bin:/bin"}
    lines += [f"ENV {name}={shlex.quote(value)}" for name, value in sorted(environment.items())]
    return "\n".join(
        [
            *lines,
            f"USER {USER}:{USER}",
            f"EXPOSE {PORT}",
            "STOPSIGNAL SIGTERM",
            f"ENTRYPOINT {_list([PYTHON, *built.entrypoint[1:]])}",
            f"CMD {_list(built.command)}",
            "",
        ]
    )


def _list(words: Sequence[str]) -> str:
    return json.dumps(list(words))

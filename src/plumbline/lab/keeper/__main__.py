"""`python -m plumbline.lab.keeper`: serve requests from stdin until it ends, then take everything down."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main() -> int:
    """Run the keeper; its first line on stdout says whether it is ready."""
    parser = argparse.ArgumentParser(prog="plumbline.lab.keeper")
    parser.add_argument("lab")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--netns", action="store_true")
    parser.add_argument("--mountns", action="store_true")
    arguments = parser.parse_args()
    from plumbline.lab.keeper.loop import Keeper, say
    from plumbline.lab.keeper.namespace import NamespaceError, enter

    if arguments.netns or arguments.mountns:
        try:
            enter(network=arguments.netns, mounts=arguments.mountns)
        except NamespaceError as error:
            say({"event": "failed", "sentence": str(error)})
            return 1
    return Keeper(arguments.lab, arguments.folder).run()


if __name__ == "__main__":
    sys.exit(main())

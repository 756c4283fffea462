"""A deployer as a process of its own, for crashes.py: writes what happens into a file, and dies where it is told to.

python deployer.py '{"registry": …, "pipeline": …, "moments": …, "kill": ["promote:alias", "after"], "resume": false}'
"""

import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from plumbline.cli.deploying import opened
from plumbline.deployment.pipeline import recovery
from plumbline.deployment.pipeline.declaration import load
from plumbline.deployment.pipeline.plan import planned
from plumbline.deployment.pipeline.world import Moment


def main() -> None:
    """Deploy, or go on with what is not over; print how it ended and how long that took."""
    told = json.loads(sys.argv[1])
    with Path(told["moments"]).open("a", encoding="utf-8") as moments, opened(told["registry"], None) as place:

        def listen(moment: Moment) -> None:
            if moment.when == "told":
                return
            moments.write(json.dumps([moment.what, moment.when]) + "\n")
            moments.flush()
            if [moment.what, moment.when] == told["kill"]:
                os.kill(os.getpid(), signal.SIGKILL)

        plan = planned(load(Path(told["pipeline"])), by="benchmark", why="benchmark")
        make = partial(place.controller, listen=listen)
        began = time.perf_counter()
        if told["resume"]:
            ends = recovery.resume(place.journal, plan.model, make)
        else:
            ends = [recovery.deploy(place.journal, plan, make)]
        print(json.dumps({"ends": [str(state.step) for _, state in ends], "finish_s": time.perf_counter() - began}))


if __name__ == "__main__":
    main()

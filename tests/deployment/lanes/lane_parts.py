"""How the tests put a lane together, in their own process and in the deployer that they kill."""

import sys
import time
from pathlib import Path

from plumbline.deployment.lanes.frontdoor import Address
from plumbline.deployment.lanes.groups import Launch, Processes
from plumbline.deployment.lanes.haproxy import Proxy
from plumbline.deployment.lanes.runtime import RuntimeLane

STANDIN = str(Path(__file__).parent / "standin.py")


def launch(digest, address, words=()):
    return Launch([sys.executable, "-IS", STANDIN, str(address.port), digest, *words], env={"DELAY_S": "0.01"})


def addresses_of(ports):
    half = len(ports) // 2
    blue, green = ([Address("127.0.0.1", port) for port in some] for some in (ports[:half], ports[half:]))
    return {"blue": blue, "green": green}


def lane_of(folder, ports, how=launch, **settings):
    groups = [Processes(name, folder / "groups", where, how) for name, where in addresses_of(ports).items()]
    return RuntimeLane(Proxy(folder / "proxy.sock"), groups, folder / "lane", **settings)


PATIENCE_S = 30


def wait_until(true, what="it"):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {PATIENCE_S} s for {what}")

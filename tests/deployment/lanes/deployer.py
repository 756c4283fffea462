"""A deployer as a process, to be killed: switches between two versions until it dies."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from lane_parts import lane_of  # the path is known only here

folder, ports, epoch = Path(sys.argv[1]), [int(port) for port in sys.argv[2].split(",")], int(sys.argv[3])
lane = lane_of(folder, ports)
digests = sys.argv[4:]
while True:
    for digest, other in (digests, digests[::-1]):
        lane.prepare(digest, epoch=epoch)
        print("prepared", flush=True)
        lane.share({digest: 1.0}, epoch=epoch)
        print("shared", flush=True)
        lane.retire(other, epoch=epoch)
        print("retired", flush=True)

"""`python -m plumbline.deployment.serving '{"model": …}'`: what `serving.process` starts."""

import sys

from plumbline.deployment.serving.running import main

sys.exit(main(sys.argv[1:]))

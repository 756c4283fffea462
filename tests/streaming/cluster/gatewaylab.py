"""`plumb gateway serve --broker` as a process."""

import json
import subprocess
import sys


class Gateway:
    """One gateway; its log is a file."""

    def __init__(self, folder, name, server, *words):
        self.log_path = folder / f"{name}.log"
        command = [sys.executable, "-m", "plumbline.streaming", "--listen", "127.0.0.1:0", "--broker", server.url]
        with self.log_path.open("wb") as log:
            self.child = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.child.stdout.readline()
        assert line, self.log_path.read_text()
        self.url = json.loads(line)["url"]

    @property
    def log(self):
        return self.log_path.read_text()

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()

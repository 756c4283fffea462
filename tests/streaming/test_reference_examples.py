"""The dialogues of the reference page, executed against a gateway."""

import json
import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/reference/gateway.md").read_text()
LINE = re.compile(r"^([A-Z]) (→|←) (.+)$", re.MULTILINE)
OF_THIS_RUN = ("epoch", "client", "since")


class Names:
    """What the page calls by one name, this run calls by another; always the same one."""

    def __init__(self):
        self._here = {}

    def sent(self, told):
        """Return the page's words with this run's names."""
        return json.loads(json.dumps(told), object_hook=self._put)

    def _put(self, item):
        return {key: self._here.get(value, value) if key == "epoch" else value for key, value in item.items()}

    def same(self, told, got):
        """Say whether this is what the page tells."""
        if isinstance(told, dict) and isinstance(got, dict):
            return list(told) == list(got) and all(self._member(key, told[key], got[key]) for key in told)
        if isinstance(told, list) and isinstance(got, list):
            return len(told) == len(got) and all(map(self.same, told, got))
        return told == got

    def _member(self, key, told, got):
        if key in OF_THIS_RUN and not isinstance(told, dict):
            return type(told) is type(got) and self._here.setdefault(told, got) == got
        return self.same(told, got)


def test_every_line_of_the_dialogues_is_what_a_gateway_says(start, client):
    gateway, names, clients = start(), Names(), {}
    lines = LINE.findall(PAGE)
    for who, direction, text in lines:
        if who not in clients:
            clients[who] = client(gateway)
        told = json.loads(text)
        if direction == "→":
            clients[who].link.send(json.dumps(names.sent(told)))
            if isinstance(told, dict) and "id" not in told:
                assert clients[who].ask(id="done", ping=0)["ok"]  # it is not answered: see that it was carried out
        else:
            got = clients[who].read()
            assert names.same(told, got), f"the page tells {told}, but it was {got}"
    assert len(lines) > 30

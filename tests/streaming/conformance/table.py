"""Write docs/reference/websocket-conformance.md's table from the tests' `must` markers: `python …/table.py`."""

import ast
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs/reference/websocket-conformance.md"


def rows():
    """Return (section, what RFC 6455 wants, file, test), by section."""
    found = []
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                marks = [mark for mark in node.decorator_list if isinstance(mark, ast.Call)]
                marks = [mark for mark in marks if isinstance(mark.func, ast.Name) and mark.func.id == "must"]
                found += [(*(arg.value for arg in mark.args), path.name, node.name) for mark in marks]
    return sorted(found, key=lambda row: ([int(part) for part in row[0].split(".")], row[1:]))


def table():
    lines = ["| Section | What it wants | Test |", "|---|---|---|"]
    for section, wanted, file, test in rows():
        says = test.removeprefix("test_").replace("_", " ")
        lines.append(f"| {section} | {wanted} | {says} (`{file}`) |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = PAGE.read_text()
    head, _, rest = text.partition("| Section |")
    PAGE.write_text(head + table() + rest[rest.index("\n\n") + 1 :])

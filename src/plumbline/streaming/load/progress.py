"""Progress on the terminal while a run lasts: one line a second, or a live table."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, TextIO

from plumbline.streaming.load.records import Second


def milliseconds(seconds: float) -> str:
    """Return a duration as people read it: `0.42 ms`, `18 ms`, `2.31 s`."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    value = seconds * 1000
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"


class Progress:
    """Shows each second as it comes.

    Args:
        stream: Where to write, usually standard error.
        live: Redraw one table; else write a line a second.
    """

    def __init__(self, stream: TextIO, *, live: bool) -> None:
        self._stream = stream
        self._shown: Any = None
        self._last: Second | None = None
        if live:
            from rich.console import Console
            from rich.live import Live

            self._shown = Live(console=Console(file=stream), refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self._shown is not None:
            self._shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shown is not None:
            self._shown.stop()

    def __call__(self, second: Second, totals: dict[str, float]) -> None:
        """Show one second."""
        before, self._last = self._last, second
        passed = second.at - before.at if before else 1.0
        rate = (second.deliveries - (before.deliveries if before else 0)) / max(passed, 1e-3)
        row = {
            "time": f"{second.at:.0f} s",
            "phase": second.phase,
            "connected": f"{second.up:,} of {int(totals['links']):,}",
            "published": f"{second.published:,}",
            "deliveries/s": f"{rate:,.0f}",
            "p50": milliseconds(second.p50_s) if second.p99_s else "-",
            "p99": milliseconds(second.p99_s) if second.p99_s else "-",
            "closed": f"{int(totals['closes']):,}",
            "failed": f"{int(totals['failures']):,}",
        }
        if self._shown is None:
            self._stream.write("  ".join(f"{name} {value}" for name, value in row.items()) + "\n")
            self._stream.flush()
            return
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD)
        for name in row:
            table.add_column(name, justify="left" if name == "phase" else "right")
        table.add_row(*row.values())
        self._shown.update(table)

"""Who watches longest begins first, so that a round of all lasts as long as the longest watch."""

from plumbline.cli.diagnose import diagnose
from plumbline.diagnosis.runner import DEFAULT_JOBS, Runner
from plumbline.evidence import Endpoint

HERE = Endpoint(name="here", url="ws://127.0.0.1:1/")


def test_the_longest_watch_begins_first_and_results_keep_their_order(write, source, tmp_path):
    windows = {"host.a-glance": 0.0, "host.b-minute": 60.0, "host.c-second": 1.0}
    texts = {name: source().replace(", read),", f", read, window_s={window}),") for name, window in windows.items()}
    started = []

    def hear(event):
        if event["event"] == "check.started":
            started.append(event["id"])

    with Runner(write(tmp_path, texts), jobs=1) as runner:
        report = runner.run(None, HERE, hear)
    assert started == ["host.b-minute", "host.c-second", "host.a-glance"]
    assert [one.id for one in report.results] == list(windows)


def test_the_command_runs_as_many_at_once_as_a_runner_by_itself():
    (jobs,) = (option for option in diagnose.params if option.name == "jobs")
    assert jobs.default == DEFAULT_JOBS

"""Each kind of fault is told with file, line and what was meant."""

from __future__ import annotations

import pytest

GUIDE = "docs/troubleshooting/streaming/slow.md"
RECORD = "kb/streaming/slow/problem.yml"
CODE = "diagnostics/streaming/slow.py"

FAULTS = [
    # front matter
    (GUIDE, "component: gateway", "componnt: gateway", 0, "unknown key 'componnt'; did you mean 'component'?"),
    (
        GUIDE,
        "severity: page",
        "severity: pge",
        0,
        "'severity' is 'pge', but must be 'page' or 'ticket'; did you mean 'page'?",
    ),
    (GUIDE, '"2.6"', "2.6", 0, "'tested.haproxy' is the number 2.6; put it in quotes"),
    (GUIDE, "diagnostics: [streaming.slow]", "diagnostics: []", 0, "'diagnostics'"),
    (
        GUIDE,
        "[streaming.slow]",
        "[streaming.slaw]",
        0,
        "diagnostic 'streaming.slaw' does not exist; did you mean 'streaming.slow'?",
    ),
    (GUIDE, "[streaming.slow]", "[streeming.slow]", 0, "has the area 'streeming'"),
    (GUIDE, "related: []", "related: [host.fall]", 0, "guide 'host.fall' does not exist; did you mean 'host.full'?"),
    (GUIDE, "related: []", "related: [streaming.slow]", 0, "is related to itself"),
    (GUIDE, "title: C", "title: [\ntitle: C", 2, "is no YAML"),
    (GUIDE, "severity: page\n", "severity: page\nseverity: page\n", 1, "key 'severity' is given twice"),
    # blocks
    (
        GUIDE,
        "/// problem | streaming.slow",
        "/// problem | streaming.slo",
        0,
        "problem 'streaming.slo' does not exist; did you mean 'streaming.slow'?",
    ),
    (
        GUIDE,
        "/// diagnostic | streaming.slow",
        "/// diagnostics | streaming.slow",
        0,
        "block 'diagnostics' does not exist; did you mean 'diagnostic'?",
    ),
    (GUIDE, "/// proof | streaming.slow\n///\n", "/// proof | streaming.slow\n", 0, "block 'proof' is never closed"),
    (GUIDE, "/// proof | streaming.slow", "/// proof", 0, "block 'proof' names no id"),
    (
        GUIDE,
        "/// proof | streaming.slow",
        "/// guides | steaming",
        0,
        "area 'steaming' does not exist; did you mean 'streaming'?",
    ),
    # links and anchors
    (
        GUIDE,
        "(#fix)",
        "(#fixx)",
        0,
        "anchor 'fixx' does not exist in docs/troubleshooting/streaming/slow.md; did you mean 'fix'?",
    ),
    (GUIDE, "(../index.md)", "(../indx.md)", 0, "link '../indx.md' leads to no file; did you mean '../index.md'?"),
    (
        GUIDE,
        "(../index.md)",
        "(../host/full.md#symptoms)",
        0,
        "anchor 'symptoms' does not exist in docs/troubleshooting/host/full.md; did you mean 'symptom'?",
    ),
    (GUIDE, "(../index.md)", "(/troubleshooting/)", 0, "link '/troubleshooting/' is absolute"),
    (GUIDE, "(../index.md)", "(../../../src/x.py)", 0, "leads out of docs/"),
    (GUIDE, "(../index.md)", "(../)", 0, "leads to no file; did you mean '../index.md'?"),
    (
        GUIDE,
        "(../index.md)",
        "(../../reference/generated/clii.md)",
        0,
        "did you mean '../../reference/generated/cli.md'?",
    ),
    (GUIDE, "Clients stall,", "[x]: nowhere.md\n\nClients stall,", 0, "link 'nowhere.md' leads to no file"),
    (GUIDE, "## Fix", "## Fix {#decoy-buffer}", 0, "id 'decoy-buffer' is given twice on this page"),
    # fences
    (GUIDE, ".bash .fix #fix-limit", ".bash .fix", 0, "a .fix fence has one id"),
    (GUIDE, "#decoy-buffer", "#fix-limit", 0, "fence id 'fix-limit' is used twice, first on line 25"),
    (GUIDE, "{.bash .fix #fix-limit}", "bash", None, "has no fix: nothing is executable"),
    (GUIDE, "{.bash .fix #fix-limit}", "{.bash .fix .extra #fix-limit}", None, "every step of its fix is .extra"),
    # commands, options, ids, settings
    (
        GUIDE,
        "Clients stall,",
        "`plumb dignose`,",
        0,
        "command 'plumb dignose' does not exist; did you mean 'plumb diagnose'?",
    ),
    (
        GUIDE,
        "Clients stall,",
        "`plumb diagnose --plann`,",
        0,
        "option '--plann' of 'plumb diagnose' does not exist; did you mean '--plan'?",
    ),
    (
        GUIDE,
        "Clients stall,",
        "`plumb diagnose --format jsn`,",
        0,
        "value of '--format' 'jsn' does not exist; did you mean 'json'?",
    ),
    (GUIDE, "Clients stall,", "`plumb diagnose streaming.slaw`,", 0, "diagnostic 'streaming.slaw' does not exist"),
    (GUIDE, "Clients stall,", "`plumb practice streaming.slaw`,", 0, "problem 'streaming.slaw' does not exist"),
    (GUIDE, "Clients stall,", "`plumb practice a b`,", 0, "'plumb practice' takes 1 argument(s), not 'a b'"),
    (
        GUIDE,
        "Clients stall,",
        "`plumb gateway show queus`,",
        0,
        "value of 'WHAT' 'queus' does not exist; did you mean 'queues'?",
    ),
    (
        GUIDE,
        "Clients stall,",
        "`plumb gateway sett`,",
        0,
        "command 'plumb gateway sett' does not exist; did you mean 'plumb gateway set'?",
    ),
    (GUIDE, "Clients stall,", "`plumb gateway serve --set queue_max_byte=1`,", 0, "did you mean 'queue_max_bytes'?"),
    (
        GUIDE,
        "plumb gateway set overflow=disconnect",
        "true\ntrue && plumb gateway set overflw=latest",
        1,
        "gateway setting 'overflw' does not exist; did you mean 'overflow'?",
    ),
    (GUIDE, "set overflow=disconnect", "set overflow=disconect", 0, "did you mean 'disconnect'?"),
    (GUIDE, "set overflow=disconnect", "set 'channels.a.*.overflw=latest'", 0, "did you mean 'overflow'?"),
    (GUIDE, "set overflow=disconnect", "set channels.a.*.overflow=last", 0, "overflow"),
    (
        GUIDE,
        "plumb gateway set overflow=disconnect",
        "PLUMBLINE_ADMIN=x plumb \\\n  gateway sett x=1",
        1,
        "command 'plumb gateway sett'",
    ),
    (
        GUIDE,
        "## Fix",
        '```toml title="plumbline.toml"\n[targets.a]\nurll = "ws://x"\n```\n\n## Fix',
        2,
        "plumbline.toml key 'urll' does not exist; did you mean 'url'?",
    ),
    (
        GUIDE,
        "## Fix",
        '```toml title="plumbline.toml"\n[target.a]\n```\n\n## Fix',
        1,
        "plumbline.toml key 'target' does not exist; did you mean 'targets'?",
    ),
    (GUIDE, "## Fix", "```toml\n[targets.a]\npid = 'x'\n```\n\n## Fix", 2, "plumbline.toml key 'pid'"),
    (
        GUIDE,
        "## Fix",
        '```toml title="gateway.toml"\nmax_connection = 1\n```\n\n## Fix',
        1,
        "did you mean 'max_connections'?",
    ),
    (GUIDE, "## Fix", '```toml title="gateway.toml"\nx = [\n```\n\n## Fix', 0, "is no TOML"),
    (
        GUIDE,
        "## Fix",
        '```toml title="gateway.toml"\n[channels."a.*"]\nmode = "latest"\nhistry_s = 1\n```\n\n## Fix',
        3,
        "did you mean 'history_s'?",
    ),
    (
        GUIDE,
        "## Fix",
        "```yaml\nx: 1\nrunbook_url: https://h/troubleshooting/streaming/slaw/\n```\n\n## Fix",
        2,
        "runbook_url's guide 'streaming.slaw' does not exist",
    ),
    # problem record
    (RECORD, "title: Clients", "titel: Clients", 0, "unknown key 'titel'; did you mean 'title'?"),
    (RECORD, "title: One", "titel: One", 0, "unknown key 'titel'; did you mean 'title'?"),
    (RECORD, "id: streaming.slow", "id: streaming.fast", 0, "id 'streaming.fast' is not its path's: 'streaming.slow'"),
    (RECORD, "anchor: fix", "anchor: fixx", 0, f"anchor 'fixx' does not exist; did you mean 'fix'? (in {GUIDE})"),
    (
        RECORD,
        "id: decoy-buffer",
        "id: decoy-bufer",
        0,
        f"decoy fence 'decoy-bufer' does not exist in {GUIDE}; did you mean 'decoy-buffer'?",
    ),
    (
        RECORD,
        "collateral: []",
        "collateral: [host.fall]",
        0,
        "collateral diagnostic 'host.fall' does not exist; did you mean 'host.full'?",
    ),
    (
        RECORD,
        "- title: A slow network",
        "- id: host.fall",
        0,
        "look-alike 'host.fall' does not exist; did you mean 'host.full'?",
    ),
    (RECORD, "- title: A slow network", "- id: streaming.slow", 0, "is the problem itself"),
    (
        RECORD,
        "- title: A slow network\n    differs",
        "- differs",
        0,
        "a look-alike has an id (if it has a guide) or a title",
    ),
    (RECORD, "connection=\\d+'", "connection=(\\d+'", 0, "is no regular expression"),
    (RECORD, "connection=\\d+'", "connection=x'", 1, "does not match its pattern"),
    (RECORD, "queue full connection=\\d+'", "(a)?'", 0, "matches an empty line"),
    (RECORD, "[plumbline/evidence.py]", "[plumbline/evidenc.py]", 0, "names no file below src/"),
    (RECORD, "paraphrases: [why is it so slow]\n", "", None, "key 'paraphrases' is missing"),
    (
        RECORD,
        "lookalikes:",
        "  - {id: one-slow-reader, title: x, evidence: y, anchor: fix}\nlookalikes:",
        0,
        "id 'one-slow-reader' is given twice in causes",
    ),
    (RECORD, "complaint: [everything is slow]", "complaint: everything", 0, "'symptoms.complaint'"),
    (
        RECORD,
        "complaint: [everything is slow]",
        "complaint:\n    - Users say: it is slow.",
        1,
        "'symptoms.complaint.0' is a mapping; if it is one sentence, put it in quotes",
    ),
    # diagnostics
    (CODE, "descriptors?", "descriptors.", 0, "no question"),
    (CODE, "import FileDescriptors", "import FileDescriptors\nimport requests", 1, "imports 'requests'"),
]


@pytest.mark.parametrize(("path", "old", "new", "below", "said"), FAULTS, ids=[fault[4][:60] for fault in FAULTS])
def test_each_fault_is_told_at_its_line(
    make, change, complaints, path: str, old: str, new: str, below, said: str
) -> None:
    catalogue = make("streaming.slow", "host.full")
    line = change(catalogue, path, old, new)
    found = complaints(catalogue)
    where = path if below is None else f"{path}:{line + below}:"
    assert [one for one in found if one.startswith(where) and said in one], found

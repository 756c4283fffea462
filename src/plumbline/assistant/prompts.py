"""The prompt: from a symptom to a finding and its fix."""

from __future__ import annotations

from collections.abc import Mapping

from mcp_types import GetPromptResult, Prompt, PromptArgument, PromptMessage, TextContent

from plumbline.assistant.refusals import RefusedError
from plumbline.handbook.complaints import unknown

TROUBLESHOOT = Prompt(
    name="troubleshoot",
    title="Troubleshoot a platform",
    description="From a symptom to the guide, the finding and the fix.",
    arguments=[
        PromptArgument(
            name="symptom", description="What is wrong: in words, or a log, or a stack trace.", required=True
        ),
        PromptArgument(name="target", description="Name of the target in plumbline.toml; the lab if left out."),
    ],
)
_TEXT = """\
Find out what is wrong with my platform and how to mend it. What I see:

{symptom}

1. Call search_handbook with this, unchanged.
2. If a result fits, call read_guide with its id; if none does, say so and ask me for what would tell more.
3. Call run_diagnostic with the diagnostics that the guide names and the target "{target}".
4. Tell me what was found, with the measured numbers and their limits, which cause that supports, and the guide's fix \
for that cause with its risk and how to undo it. If the finding is unknown or ok, say that the guide is not confirmed.
5. Change nothing unless I ask you to."""


def filled(name: str, arguments: Mapping[str, str]) -> GetPromptResult:
    """Return the prompt with its arguments filled in.

    Raises:
        RefusedError: There is no such prompt, or it lacks an argument.
    """
    if name != TROUBLESHOOT.name:
        raise RefusedError(unknown("prompt", name, [TROUBLESHOOT.name]))
    symptom = arguments.get("symptom", "").strip()
    if not symptom:
        raise RefusedError("troubleshoot needs the argument 'symptom'")
    text = _TEXT.format(symptom=symptom, target=arguments.get("target") or "lab")
    message = PromptMessage(role="user", content=TextContent(type="text", text=text))
    return GetPromptResult(description=TROUBLESHOOT.description, messages=[message])

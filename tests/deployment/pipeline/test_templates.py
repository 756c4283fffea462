"""The workflows for GitHub and GitLab are what those two understand, by the schemas that check-jsonschema carries."""

from __future__ import annotations

import json
import re
import shlex
from importlib.resources import files

import pytest
import yaml
from check_jsonschema.regex_variants import RegexImplementation, RegexVariantName
from jsonschema import Draft7Validator
from jsonschema.validators import extend

SCHEMAS = {"github.yml": "github-workflows.json", "gitlab.yml": "gitlab-ci.json"}
COMMANDS = {
    "github.yml": lambda data: [step["run"] for step in data["jobs"]["deploy"]["steps"] if "run" in step],
    "gitlab.yml": lambda data: [*data["deploy-churn"]["script"], *data["deploy-churn"]["after_script"]],
}


def template(name):
    text = (files("plumbline.deployment.pipeline") / "templates" / name).read_text()
    data = yaml.safe_load(text)
    if True in data:  # YAML 1.1 reads GitHub's `on` as a boolean
        data["on"] = data.pop(True)
    return text, data


def validator(name):
    """A validator that reads patterns as the schemas' authors mean them: as JavaScript's."""
    vendored = files("check_jsonschema") / "builtin_schemas" / "vendor" / SCHEMAS[name]
    regex = RegexImplementation(RegexVariantName.default)
    keywords = {"pattern": regex.pattern_keyword, "patternProperties": regex.patternProperties_keyword}
    return extend(Draft7Validator, keywords)(json.loads(vendored.read_text()))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_template_fits_its_schema(name):
    assert [error.message for error in validator(name).iter_errors(template(name)[1])] == []


@pytest.mark.parametrize(
    ("name", "break_it"),
    [
        ("github.yml", lambda data: data["jobs"]["deploy"].update({"run-on": "ubuntu"})),
        ("github.yml", lambda data: data["jobs"]["deploy"]["steps"][0].update(use="x")),
        ("gitlab.yml", lambda data: data["deploy-churn"].update(artefacts={})),
        ("gitlab.yml", lambda data: data["deploy-churn"].update(rules="always")),
    ],
)
def test_the_schemas_do_find_mistakes(name, break_it):
    _, data = template(name)
    break_it(data)
    assert list(validator(name).iter_errors(data))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_template_deploys_and_quotes_what_others_write(name):
    text, data = template(name)
    commands = [shlex.split(command) for command in COMMANDS[name](data)]
    (deploy,) = [words for words in commands if words[:2] == ["plumb", "deploy"]]
    assert deploy[2].endswith("pipeline.yml")
    assert {"--why", "--by"} <= set(deploy)
    assert not re.search(r"run:.*\$\{\{", text)  # a commit message in `${{ }}` would be run as shell code

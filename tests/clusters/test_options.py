"""Beam passes over options that it does not know: those that documents name are to be Beam's."""

import re
from pathlib import Path

import pytest
import yaml
from apache_beam.options.pipeline_options import PipelineOptions

ROOT = Path(__file__).parents[2]

OF_THE_POOL = {"--service_port", "--container_executable", "--worker_pool"}
"""Of Beam's pool of workers and its boot program."""


def told_options(text: str) -> set[str]:
    """Names that only Beam writes so, with underscores, and all that follow a command's `--`."""
    commands = re.findall(r"^duologue .* -- (.+)", text.replace("\\\n", " "), re.MULTILINE)
    names = [*re.findall(r"--\w+", " ".join(commands)), *re.findall(r"--[a-z0-9]+_\w+", text)]
    return {*names} - OF_THE_POOL


@pytest.mark.parametrize("path", ["README.md", "docs/clusters.md", "docs/object-stores.md"])
def test_beam_knows_the_options_that_are_told(path):
    parsers = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    known = {*re.findall(r"--\w+", parsers[0].format_help())}
    told = told_options((ROOT / path).read_text())
    assert told
    assert told <= known


def test_what_is_told_in_yaml_is_yaml():
    text = (ROOT / "docs/clusters.md").read_text()
    [told] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    pod = yaml.safe_load(told)["spec"]["taskManager"]["podTemplate"]["spec"]
    assert [each["name"] for each in pod["containers"]] == ["flink-main-container", "pool"]


def test_what_is_told():
    text = "`--ab_c=1`, --only-ours\nduologue prepare x --out y -- --runner=z \\\n  --d e\n"
    assert told_options(text) == {"--ab_c", "--runner", "--d"}

"""How much memory a command takes at most, with all that it starts."""

import json
import subprocess
import sys
from pathlib import Path

from tests.running import Ran, command

# In a process between: a child begins with the peak of the one that started it, and pytest's is
# large.
_MEASURE = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
json.dump([done.returncode, done.stdout, done.stderr, peak], sys.stdout)
"""


def measured(*argv: object, cwd: Path | None = None) -> tuple[Ran, int]:
    """What `duologue` left, and the MiB that its largest process took at most."""
    return measured_line(command(*argv), cwd=cwd)


def measured_line(line: list, *, cwd: Path | None = None) -> tuple[Ran, int]:
    """The same for any command line."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *line], cwd=cwd, capture_output=True, check=True
    )
    *ran, peak_kib = json.loads(done.stdout)
    return Ran(*ran), peak_kib // 1024

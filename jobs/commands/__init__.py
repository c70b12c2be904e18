"""The commands: thin functions that build a config and call one function.

Heavy imports wait until a command runs, so that `--help` is quick.
"""

from jobs.commands import corpus as corpus
from jobs.commands import output as output
from jobs.commands import training as training
from jobs.commands.app import app as app
from jobs.commands.app import beam_argv as beam_argv

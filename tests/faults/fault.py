"""What a file system that fails on schedule is told to do."""

import dataclasses

CHANGES = ("create", "write", "truncate", "fsync", "rename", "unlink", "mkdir", "rmdir")

KILL_WRITER = "kill writer"
KILL_COMMAND = "kill command"
CUT_POWER = "cut power"
SHORT = "short"
HOLD = "hold"

CRASHES = (KILL_WRITER, KILL_COMMAND, CUT_POWER)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens at a step.

    Attributes:
      op: of a step: one of CHANGES, "open" or "read"; None is any change.
      path: glob of paths below the mount; of a renaming, of the new name.
      nth: which of the steps that match, from 1.
      what: a crash before the step, in the middle of it where it writes: KILL_WRITER, of the
        process that asked for it, KILL_COMMAND, of the `duologue` above that, or CUT_POWER, by
        which all of them end and all is lost that was not synced. SHORT: half of what was asked is
        read or written. HOLD: a read that does not return before it is told to; its process cannot
        be killed until then. Else the name of an error.
      times: how often in a row it happens, from the nth step on.
    """

    op: str | None = None
    path: str = "*"
    nth: int = 1
    what: str = KILL_COMMAND
    times: int = 1

"""Coverage-guided fuzzing: `make fuzz`. A new target is a module with a TARGET and a name here."""

NAMES = ("readers", "segmenter", "episodes", "delimit", "verify")

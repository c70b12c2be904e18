"""The benchmark of speed and memory: `duologue prepare` beside tools that only tokenise."""

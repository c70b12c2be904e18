"""Stands before the fast engine on the import path: duologue then goes on without it."""

message = "hidden, so that the reference engine is measured"
raise ImportError(message)

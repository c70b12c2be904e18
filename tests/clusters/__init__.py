"""Real engines on this machine, without Docker; make cluster-test runs them."""

"""Where user code runs: never in the supervisor."""

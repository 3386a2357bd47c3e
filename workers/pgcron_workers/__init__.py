"""The worker runtime: supervisor, loops, executors."""

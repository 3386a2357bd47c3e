"""What the CLI, the worker and the admin do to a database, as plain functions."""

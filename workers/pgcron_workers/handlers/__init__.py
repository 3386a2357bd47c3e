"""Handlers that come with pgcron: `pgcron.sql` and `pgcron.http`. There is none that runs a shell, and there won't be."""

"""`python -m pgcron_workers.demo`: the command without the rest of the CLI."""

from pgcron_workers.demo.cli import demo

if __name__ == "__main__":
    demo()

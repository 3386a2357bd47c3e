"""The web admin: API, pages, live updates."""

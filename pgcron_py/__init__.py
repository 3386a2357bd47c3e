"""Cron for Python services that already run PostgreSQL."""

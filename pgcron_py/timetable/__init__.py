"""Schedules as values: parse, next runs, describe. Pure: no I/O and no clock."""

"""A crontab as jobs: its lines, its environment, and what of cron there is no like of here. Pure.

Source of the format: crontab(5) of Debian (Vixie) and of cronie.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pgcron_py.domain.declaration import JobDeclaration
from pgcron_py.domain.foreign import Entry, Note, looked_at, numbered, refused, translated

_SETTING = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z_][\w]*))\s*=\s*(.*?)\s*$""")
_REDIRECTION = re.compile(r"\s*(?:\d|&)?>{1,2}\s*(?:&\d|\S+)|\s*<\s*\S+")
_ALIASES = frozenset({"@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
ZONE_VARIABLE = "CRON_TZ"
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Options:
    """timezone: of lines without CRON_TZ; None = not said. handler: which a shell command would need. has_users: a
    column with the user stands before the command, as in /etc/crontab."""

    timezone: str | None = None
    handler: str = "shell"
    has_users: bool = False


def entries_of(text: str, options: Options, now: datetime) -> list[Entry]:
    """Of each line that is a schedule."""
    found = _entries(text, options)
    return [looked_at(entry, now) for entry in numbered(found)]


def _entries(text: str, options: Options) -> Iterator[Entry]:
    environment: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if (setting := _SETTING.fullmatch(line)) and not _looks_like_schedule(stripped):
            environment[setting[1] or setting[2] or setting[3]] = _unquoted(setting[4])
            continue
        yield _entry(f"line {number}", stripped, options, dict(environment))


def _looks_like_schedule(line: str) -> bool:
    return line[0] in "@*-" or line[0].isdigit()


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _entry(where: str, line: str, options: Options, environment: Mapping[str, str]) -> Entry:
    count = (1 if line.startswith("@") else 5) + options.has_users
    *columns, command = [*line.lstrip("-").split(None, count), ""][: count + 1]
    command = command.strip()
    if len(columns) < count or not command:
        return refused(where, line, "a schedule and a command are needed")
    user = columns.pop() if options.has_users else None
    schedule, notes = translated(" ".join(columns))
    if schedule.startswith("@") and schedule.lower() not in _ALIASES:
        return refused(where, line, f"cron knows no {schedule}")
    zone = environment.get(ZONE_VARIABLE) or options.timezone
    notes += _notes(schedule, zone, environment)
    reason = (
        f"imported from a crontab: there is no handler {options.handler!r} until you write one; pgcron runs no shell"
    )
    declaration = JobDeclaration(
        name=name_of(command, user),
        schedule=schedule,
        handler=options.handler,
        description=f"from a crontab: {line}"[:4000],
        timezone=zone or "UTC",
        args=_args(command, user, environment),
        tags=("crontab",),
        catchup_policy="skip",
        max_consecutive_failures=None,
        jitter_ms=_delay_ms(environment),
    )
    return Entry(where, line, declaration, tuple(notes), disabled_reason=reason)


def _notes(schedule: str, zone: str | None, environment: Mapping[str, str]) -> Iterator[Note]:
    if schedule.lower() == "@reboot":
        yield Note("reboot", "fired when cron started; here when the first worker starts while no other is alive")
    elif zone is None:
        yield Note("zone", "fired in the zone of its host; here in UTC: say --timezone to keep it")
    if "TZ" in environment and ZONE_VARIABLE not in environment:
        yield Note("zone", f"TZ={environment['TZ']} is its command's zone, not its schedule's", False)
    if environment.get("MAILTO"):
        yield Note("command", f"its output went to {environment['MAILTO']}; here it is kept with its run", False)


def _args(command: str, user: str | None, environment: Mapping[str, str]) -> dict[str, object]:
    """An unescaped % ends the command; what follows is its input, where further ones are line ends."""
    parts = [part.replace("\\%", "%") for part in re.split(r"(?<!\\)%", command)]
    kept = {name: value for name, value in environment.items() if name not in (ZONE_VARIABLE, "MAILTO", "RANDOM_DELAY")}
    return (
        {"command": parts[0].strip()}
        | ({"input": "\n".join(parts[1:]) + "\n"} if len(parts) > 1 else {})
        | ({"user": user} if user else {})
        | ({"environment": kept} if kept else {})
    )


def _delay_ms(environment: Mapping[str, str]) -> int:
    """cronie's RANDOM_DELAY, in minutes."""
    text = environment.get("RANDOM_DELAY", "")
    return min(int(text), 1440) * 60_000 if text.isdecimal() else 0


def name_of(command: str, user: str | None = None) -> str:
    """`/usr/local/bin/backup.sh --full >/dev/null` is `backup.sh --full`."""
    plain = _REDIRECTION.sub("", re.split(r"(?<!\\)%", command)[0]) or command
    first, _, rest = " ".join(plain.split()).partition(" ")
    name = f"{first.rpartition('/')[2] or first} {rest}".strip()
    name = "".join(letter if letter.isprintable() else " " for letter in name)
    return f"{user}: {name}"[:LONGEST_NAME].strip() if user else name[:LONGEST_NAME].strip()

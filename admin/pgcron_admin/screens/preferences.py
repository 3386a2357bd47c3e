"""How somebody likes it to look: changed here, and by the menu in the frame of all pages."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency

from pgcron_admin import commands
from pgcron_admin.permissions import in_person
from pgcron_admin.screens.entry import safe_path
from pgcron_admin.screens.forms import Filled, ManyForm, text
from pgcron_admin.screens.jobs import Text
from pgcron_admin.screens.schedule import zones
from pgcron_admin.screens.visits import Visit
from pgcron_py.errors import PgCronError

HERE = "/settings/preferences"
FIELDS = ("theme", "times", "timezone", "density", "hasKeys")
SWITCH = {"on": True, "off": False}


@get(HERE, guards=[in_person])
async def show_preferences(visit: NamedDependency[Visit], done: Text = "") -> Response[str]:
    kept = visit.principal.preferences
    said = {
        "theme": kept.theme, "times": kept.times, "timezone": kept.timezone, "density": kept.density, "hasKeys": "on" if kept.has_keys else "off",
    }  # fmt: skip
    return await _page(visit, Filled(said, None, FIELDS), "Your preferences are saved." if done else None)


@post("/preferences", guards=[in_person])
async def change_preferences(data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    """What the form has of them; then back to where it was sent from."""
    assert visit.principal.user_id is not None
    changes: dict[str, object] = {name: text(data, name) for name in FIELDS[:4] if name in data}
    if "hasKeys" in data:
        changes["has_keys"] = SWITCH.get(text(data, "hasKeys"), text(data, "hasKeys"))
    try:
        async with visit.database.transaction(visit.principal) as connection:
            await commands.set_preferences(connection, visit.principal.user_id, changes)
    except PgCronError as error:
        kept = visit.principal.preferences
        said = {
            "theme": kept.theme,
            "times": kept.times,
            "timezone": kept.timezone,
            "density": kept.density,
            "hasKeys": "on",
        } | data
        return await _page(visit, Filled(said, error, FIELDS))
    return visit.back(safe_path(text(data, "back") or f"{HERE}?done=saved"))


async def _page(visit: Visit, form: Filled, told: str | None = None) -> Response[str]:
    async with visit.database.read() as connection:
        return await visit.show(
            connection, "settings_preferences.html", title="Preferences", told=told, refused=form.refused, form=form, zones=zones()
        )  # fmt: skip

"""Guessing passwords: slowed down for accounts and addresses, whatever the guesser tries; nobody is locked out."""

from __future__ import annotations

import math
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from pgcron_py.app.passwords import hashed
from support.admin import METRICS_TOKEN, Browser, admin_process, as_program
from support.kept import kept

PASSWORD = "three blind mice 1905"
FREE_OF_ACCOUNT, FREE_OF_ADDRESS = 5, 20


@pytest.fixture(autouse=True)
def _fresh(site: Any) -> None:
    do(site, "DELETE FROM pgcron.app_sign_in_throttle")


def do(site: Any, statement: str, *values: object) -> list[Any]:
    cursor = kept(site.db_url).execute(statement, values or None)
    return cursor.fetchall() if cursor.description else []


def begin(url: str, address: bytes, account: bytes) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT pgcron.begin_sign_in(sha256(%s), sha256(%s))", (address, account)).fetchone()
    assert row is not None
    return int(row[0])


def looked_at(site: Any) -> int:
    """How many passwords the admin has verified so far."""
    text = as_program(site.url, METRICS_TOKEN).get("/metrics").text
    found = re.search(r"^pgcron_admin_password_verifications_total (\S+)$", text, re.M)
    assert found is not None, text
    return int(float(found[1]))


def test_an_unknown_user_costs_as_many_verifications_as_a_known_one(site: Any) -> None:
    site.people.add("known")
    site.people.set_password("known", hashed(PASSWORD))
    site.people.add("without-password")
    for name in ("known", "unknown", "without-password"):
        before = looked_at(site)
        assert site.browser().sign_in(name, "not the password").status_code == 401
        assert looked_at(site) == before + 1, name


def test_after_five_attempts_an_account_waits_and_the_password_is_not_looked_at(site: Any) -> None:
    site.people.add("alice")
    site.people.set_password("alice", hashed(PASSWORD))
    statuses = [site.browser().sign_in("alice", "wrong").status_code for _ in range(FREE_OF_ACCOUNT + 1)]
    assert statuses == [401] * (FREE_OF_ACCOUNT + 1)
    do(
        site,
        "UPDATE pgcron.app_sign_in_throttle SET blocked_until = clock_timestamp() + interval '42 s' WHERE attempts > 5",
    )
    before = looked_at(site)
    answer = site.browser().sign_in("alice", PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert 1 <= int(answer.headers["retry-after"]) <= 42
    assert looked_at(site) == before
    do(site, "UPDATE pgcron.app_sign_in_throttle SET blocked_until = clock_timestamp()")
    assert site.browser().sign_in("alice", PASSWORD).status_code == 200


@pytest.mark.parametrize("spelling", ["ALICE", " alice ", "Alice", "\talice"])
def test_another_spelling_of_a_name_is_the_same_account(site: Any, spelling: str) -> None:
    site.browser().sign_in("alice", "wrong")
    before = do(site, "SELECT count(*) FROM pgcron.app_sign_in_throttle")
    site.browser().sign_in(spelling, "wrong")
    assert do(site, "SELECT count(*) FROM pgcron.app_sign_in_throttle") == before
    assert do(site, "SELECT min(attempts) FROM pgcron.app_sign_in_throttle") == [(2,)]


def test_a_forwarded_address_that_no_trusted_proxy_wrote_is_not_believed(site: Any) -> None:
    for number in range(3):
        headers = {
            "X_Forwarded_For": f"203.0.113.{number}",
            "Forwarded": f"for=203.0.113.{number}",
            "X_Real_IP": "1.2.3.4",
        }
        site.browser().send("POST", "/api/auth/sign-in", {"name": f"n{number}", "password": "x"}, **headers)
    assert do(site, "SELECT max(attempts) FROM pgcron.app_sign_in_throttle") == [(3,)]


def test_a_hundred_attempts_at_once_through_two_processes_are_counted_one_by_one(site: Any) -> None:
    """Each is asked for before a password is looked at, so no crowd gets more than the free ones."""
    site.people.add("crowded")
    site.people.set_password("crowded", hashed(PASSWORD))
    with admin_process(site.web_url, "--dev") as second:
        urls = [site.url, second.url] * 50
        began = time.monotonic()
        with ThreadPoolExecutor(20) as threads:
            answers = list(threads.map(lambda url: Browser(url).sign_in("crowded", "wrong").status_code, urls))
    assert set(answers) <= {401, 429}
    (attempts,) = do(site, "SELECT min(attempts) FROM pgcron.app_sign_in_throttle WHERE attempts > 0")[0]
    waited_for = int(math.log2(time.monotonic() - began + 1)) + 1  # delays of 1, 2, 4, … s that passed meanwhile
    assert answers.count(401) <= attempts <= FREE_OF_ACCOUNT + 1 + waited_for


def test_of_many_attempts_at_once_on_one_account_exactly_one_gets_through(site: Any) -> None:
    do(site, "INSERT INTO pgcron.app_sign_in_throttle VALUES (sha256('one account'), 40)")
    with ThreadPoolExecutor(16) as threads:
        waits = list(threads.map(lambda n: begin(site.web_url, b"address %d" % n, b"one account"), range(64)))
    assert waits.count(0) == 1
    assert min(wait for wait in waits if wait) > 20


def test_the_delay_doubles_up_to_a_minute_and_no_further(site: Any) -> None:
    (delays,) = do(
        site,
        "SELECT array_agg(extract(epoch FROM pgcron.sign_in_delay(n, 5))::integer ORDER BY n) FROM generate_series(5, 14) n",
    )[0]
    assert delays == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert do(site, "SELECT extract(epoch FROM pgcron.sign_in_delay(2000000000, 5))::integer") == [(60,)]


def test_a_blocked_address_can_not_slow_down_an_account(site: Any) -> None:
    for number in range(FREE_OF_ADDRESS + 1):
        assert begin(site.web_url, b"bad", b"account %d" % number) == 0
    do(
        site,
        "UPDATE pgcron.app_sign_in_throttle SET blocked_until = clock_timestamp() + interval '1 h' WHERE key = sha256('bad')",
    )
    assert begin(site.web_url, b"bad", b"victim") > 3000
    assert do(site, "SELECT count(*) FROM pgcron.app_sign_in_throttle WHERE key = sha256('victim')") == [(0,)]
    assert begin(site.web_url, b"good", b"victim") == 0


def test_an_attempt_that_has_to_wait_does_not_lengthen_the_wait(site: Any) -> None:
    do(
        site,
        "INSERT INTO pgcron.app_sign_in_throttle VALUES (sha256('acc'), 7, clock_timestamp(), clock_timestamp() + interval '40 s')",
    )
    waits = [begin(site.web_url, b"from %d" % number, b"acc") for number in range(10)]
    assert set(waits) <= {39, 40}
    assert do(site, "SELECT attempts FROM pgcron.app_sign_in_throttle WHERE key = sha256('acc')") == [(7,)]


def test_an_hour_of_quiet_forgets_and_rows_of_yesterday_go_away(site: Any) -> None:
    do(
        site,
        "INSERT INTO pgcron.app_sign_in_throttle VALUES (sha256('acc'), 50, clock_timestamp() - interval '61 min', clock_timestamp())",
    )
    do(
        site,
        "INSERT INTO pgcron.app_sign_in_throttle SELECT sha256(n::text::bytea), 1, clock_timestamp() - interval '2 days' FROM generate_series(1, 5) n",
    )
    assert begin(site.web_url, b"addr", b"acc") == 0
    assert begin(site.web_url, b"addr", b"acc") == 0
    assert do(site, "SELECT key = sha256('acc'), attempts FROM pgcron.app_sign_in_throttle ORDER BY 1") == [
        (False, 2),
        (True, 2),
    ]


def test_a_success_forgets_the_attempts_of_the_account_and_one_of_the_address(site: Any) -> None:
    site.people.add("bob")
    site.people.set_password("bob", hashed(PASSWORD))
    for _ in range(3):
        site.browser().sign_in("bob", "wrong")
    assert site.browser().sign_in("bob", PASSWORD).status_code == 200
    assert do(site, "SELECT attempts FROM pgcron.app_sign_in_throttle") == [(3,)]  # the address


def test_addresses_of_one_ipv6_network_count_as_one() -> None:
    from pgcron_admin.guessing import _network

    assert _network("2001:db8:1:2::1") == _network("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert _network("2001:db8:1:3::1") != _network("2001:db8:1:2::1")
    assert _network("192.0.2.1") == "192.0.2.1"
    assert _network(None) == "unknown"


def test_what_was_typed_as_a_name_is_not_kept_in_clear(site: Any) -> None:
    site.browser().sign_in("my-secret-password", "x")
    (rows,) = do(site, "SELECT string_agg(to_jsonb(t)::text, '') FROM pgcron.app_sign_in_throttle t")[0]
    assert b"my-secret-password".hex() not in rows

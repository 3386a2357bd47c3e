"""croniter objects hold a cursor: threads must not share one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

from pgcron_py.timetable import next_runs

TEXTS = ["0 0 1 * *", "0 9 13 * 5", "0 0 L * *", "0 0 LW * *", "0 12 * * 5L", "0 0 29 2 *", "0 0 */3 * *", "30 2 * 3 *"]
THREADS = 8


def walk(seed: int) -> list[list[datetime]]:
    start = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=37 * seed)
    return [next_runs(text, "America/New_York", start, 30) for text in TEXTS[seed:] + TEXTS[:seed]]


def test_threads_that_ask_the_same_texts_at_once_get_what_one_alone_gets() -> None:
    barrier = Barrier(THREADS)

    def together(seed: int) -> list[list[datetime]]:
        barrier.wait()
        return walk(seed)

    with ThreadPoolExecutor(THREADS) as pool:
        crowded = list(pool.map(together, range(THREADS)))
    assert crowded == [walk(seed) for seed in range(THREADS)]


def test_each_thread_has_its_own_engines() -> None:
    from pgcron_py.timetable.days import _engines

    with ThreadPoolExecutor(1) as pool:
        elsewhere = pool.submit(lambda: _engines.of("0 0 1 * *")).result()
    assert elsewhere is not _engines.of("0 0 1 * *")
    assert _engines.of("0 0 1 * *") is _engines.of("0 0 1 * *")

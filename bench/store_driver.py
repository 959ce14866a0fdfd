"""How to talk to SQLite without blocking the event loop: aiosqlite, or a thread of our own?

Measures what a worker does for each change of a job: one transaction with a conditional UPDATE ... RETURNING and an
INSERT, committed to disk. Prints the median rate of each way over alternating rounds.

    python -m bench.store_driver
"""

import asyncio
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

ROUNDS = 5
CHANGES = 1000
UPDATE = text("UPDATE job SET version = version + 1 WHERE id = :id AND status = 'running' RETURNING version")
INSERT = text("INSERT INTO job_event (job_id, version, message) VALUES (:id, :version, 'step')")


def _prepare(connection, _record):
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _create(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as db:
        db.execute(text("CREATE TABLE job (id INTEGER PRIMARY KEY, version INTEGER, status TEXT)"))
        db.execute(text("CREATE TABLE job_event (job_id INTEGER, version INTEGER, message TEXT)"))
        db.execute(text("INSERT INTO job VALUES (1, 0, 'running')"))
    engine.dispose()


async def _own_thread(path: Path) -> float:
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", lambda db: db.exec_driver_sql("BEGIN IMMEDIATE"))
    threads = ThreadPoolExecutor(1)

    def change() -> None:
        with engine.begin() as db:
            version = db.execute(UPDATE, {"id": 1}).scalar_one()
            db.execute(INSERT, {"id": 1, "version": version})

    began = time.perf_counter()
    for _ in range(CHANGES):
        await asyncio.get_running_loop().run_in_executor(threads, change)
    took_s = time.perf_counter() - began
    threads.shutdown()
    engine.dispose()
    return CHANGES / took_s


async def _aiosqlite(path: Path) -> float:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    event.listen(engine.sync_engine, "begin", lambda db: db.exec_driver_sql("BEGIN IMMEDIATE"))

    @event.listens_for(engine.sync_engine, "connect")
    def _pragmas(connection, _record):
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        connection.isolation_level = None

    began = time.perf_counter()
    for _ in range(CHANGES):
        async with engine.begin() as db:
            version = (await db.execute(UPDATE, {"id": 1})).scalar_one()
            await db.execute(INSERT, {"id": 1, "version": version})
    took_s = time.perf_counter() - began
    await engine.dispose()
    return CHANGES / took_s


async def main() -> None:
    rates: dict[str, list[float]] = {"thread of our own": [], "aiosqlite": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            for name, measure in (("thread of our own", _own_thread), ("aiosqlite", _aiosqlite)):
                path = Path(folder) / f"{name}-{number}.db"
                _create(path)
                rates[name].append(await measure(path))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    for name, median in medians.items():
        print(f"{name:<20} {median:8.0f} transactions/s  (rounds: {', '.join(f'{r:.0f}' for r in rates[name])})")
    print(f"ratio {medians['thread of our own'] / medians['aiosqlite']:.2f}")


if __name__ == "__main__":
    asyncio.run(main())

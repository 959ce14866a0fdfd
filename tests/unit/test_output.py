"""What a job's code logs and prints reaches its sink, wherever the code runs, and the process's log as before."""

import asyncio
import contextlib
import io
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from runlane.engine import output
from runlane.engine.output import MAX_LINE_LENGTH

log = logging.getLogger("shop.prices")


class Page:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []

    def emit(self, text: str, level: str, logger: str) -> None:
        self.lines.append((level, logger, text))

    @property
    def texts(self) -> list[str]:
        return [text for _, _, text in self.lines]


@pytest.fixture
def worker_log() -> Iterator[io.StringIO]:
    """The log of a process, as a worker configures it."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


@contextlib.contextmanager
def taken() -> Iterator[None]:
    """A process in which output is taken. No fixture: pytest has other streams in a test than before it."""
    output.install()
    try:
        yield
    finally:
        output.uninstall()


@contextlib.contextmanager
def job(page: Page) -> Iterator[None]:
    with taken(), output.of_job(page):
        yield


async def test_records_of_a_job_reach_its_page_and_the_workers_log(worker_log):
    page = Page()

    with job(page):
        log.warning("%d prices are missing", 3)

    assert page.lines == [("warning", "shop.prices", "3 prices are missing")]
    assert worker_log.getvalue() == "WARNING shop.prices 3 prices are missing\n"


async def test_what_is_printed_reaches_both_too(worker_log):
    page = Page()

    with job(page):
        print("a", 1)
        print("b", file=sys.stderr)

    assert page.lines == [("info", "stdout", "a 1"), ("warning", "stderr", "b")]
    assert worker_log.getvalue() == "INFO stdout a 1\nWARNING stderr b\n"


async def test_outside_of_a_job_nothing_is_taken(worker_log, capsys):
    page = Page()
    with taken():
        with output.of_job(page):
            pass

        log.info("later")
        print("later")

    assert page.lines == []
    assert worker_log.getvalue() == "INFO shop.prices later\n"


async def test_each_of_two_jobs_at_once_has_its_own_lines(worker_log):
    pages = {"a": Page(), "b": Page()}

    async def work(name: str) -> None:
        with job(pages[name]):
            for number in range(3):
                await asyncio.sleep(0)
                print(name, number)

    await asyncio.gather(*map(work, pages))

    assert {name: page.texts for name, page in pages.items()} == {n: [f"{n} {i}" for i in range(3)] for n in "ab"}


async def test_tasks_and_threads_that_a_job_starts_are_the_jobs(worker_log):
    page = Page()

    async def nested() -> None:
        await asyncio.create_task(asyncio.to_thread(log.info, "thread of a task"))

    with job(page):
        await asyncio.create_task(nested())
        thread = threading.Thread(target=print, args=("own thread",))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(log.info, "pool").result()
        await asyncio.get_running_loop().run_in_executor(None, log.info, "executor of the loop")

    assert page.texts == ["thread of a task", "own thread", "pool", "executor of the loop"]


async def test_a_thread_class_with_a_run_of_its_own_is_heard(worker_log):
    page = Page()

    class Counting(threading.Thread):
        def run(self) -> None:
            print("counting")

    with job(page):
        thread = Counting()
        thread.start()
        thread.join()

    assert page.texts == ["counting"]


async def test_a_pool_that_jobs_share_gives_each_its_own_lines(worker_log):
    first, second = Page(), Page()

    with taken(), ThreadPoolExecutor(1) as pool:
        with output.of_job(first):
            pool.submit(print, "one").result()
        with output.of_job(second):
            pool.submit(print, "two").result()
        pool.submit(log.info, "nobody's").result()

    assert (first.texts, second.texts) == (["one"], ["two"])


async def test_a_thread_that_outlives_its_job_is_not_heard_any_more(worker_log):
    page, may_go_on = Page(), threading.Event()

    def run() -> None:
        may_go_on.wait()
        log.info("too late")

    with taken():
        with output.of_job(page):
            thread = threading.Thread(target=run)
            thread.start()
        may_go_on.set()
        thread.join()

    assert page.lines == []
    assert "too late" in worker_log.getvalue()


async def test_an_error_is_shown_with_its_traceback(worker_log):
    page = Page()

    with job(page):
        try:
            raise LookupError("no such page")
        except LookupError:
            log.exception("Could not read it")

    [(level, _, text)] = page.lines
    assert level == "error"
    assert text.startswith("Could not read it\nTraceback (most recent call last)")
    assert text.endswith("LookupError: no such page")


async def test_what_a_logger_does_not_let_through_is_not_taken(worker_log):
    page = Page()
    quiet = logging.getLogger("shop.quiet")
    quiet.setLevel(logging.WARNING)

    with job(page):
        quiet.info("no")
        quiet.warning("yes")
        log.debug("no")

    assert page.texts == ["yes"]


@pytest.mark.parametrize("name", ["runlane.engine.runner", "runlane", "arq.worker", "worker"])
async def test_what_the_worker_says_itself_is_not_the_jobs(worker_log, name):
    page = Page()

    with job(page):
        logging.getLogger(name).warning("The database is away.")

    assert page.lines == []


async def test_a_users_package_may_be_called_worker(worker_log):
    page = Page()

    with job(page):
        logging.getLogger("worker.tasks.report").info("hello")

    assert page.texts == ["hello"]


async def test_the_page_has_info_when_the_workers_log_has_only_warnings():
    written, page = io.StringIO(), Page()
    handler, root = logging.StreamHandler(written), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.WARNING)

    output.install("INFO")
    with output.of_job(page):
        log.info("for the page")
        log.warning("for both")
    output.uninstall()

    assert page.texts == ["for the page", "for both"]
    assert written.getvalue() == "for both\n"
    assert (root.level, handler.level) == (logging.WARNING, logging.NOTSET)
    root.removeHandler(handler)
    root.setLevel(level)


async def test_the_last_line_needs_no_end(worker_log):
    page = Page()

    with job(page):
        print("done: ", end="", flush=True)
        print("42", end="")

    assert page.texts == ["done: 42"]


async def test_of_a_progress_bar_its_last_state_is_kept(worker_log):
    page = Page()

    with job(page):
        for percent in range(101):
            sys.stderr.write(f"\r{percent} %")
            assert len(page.lines) == 0
        sys.stderr.write("\n")

    assert page.texts == ["100 %"]


async def test_threads_that_print_at_once_do_not_mix_their_lines(worker_log):
    page = Page()
    together = threading.Barrier(4)

    def run(name: str) -> None:
        together.wait()
        for _ in range(200):
            print(name, name, name)

    with job(page):
        threads = [threading.Thread(target=run, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(page.texts) == sorted(f"{name} {name} {name}" for name in "abcd" for _ in range(200))


async def test_long_lines_are_cut_and_endless_ones_are_not_kept(worker_log):
    page = Page()

    with job(page):
        log.info("x" * 50_000)
        for _ in range(30):
            sys.stdout.write("y" * 1000)

    assert [len(text) for text in page.texts] == [MAX_LINE_LENGTH] * 4
    assert page.texts[0].endswith("…")


async def test_a_handler_that_writes_to_standard_error_makes_no_second_line(worker_log, capsys):
    page = Page()

    with job(page):
        own = logging.StreamHandler()  # to the stream that is being listened to
        log.addHandler(own)

        log.warning("once")
        print("printed")
        log.removeHandler(own)

    assert page.texts == ["once", "printed"]


async def test_a_handler_that_prints_makes_no_endless_lines(worker_log, capsys):
    page = Page()

    class Printing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print("handled", record.getMessage())

    printing = Printing()
    logging.getLogger().addHandler(printing)

    with job(page):
        print("hello")
    logging.getLogger().removeHandler(printing)

    assert page.texts == ["hello"]


async def test_a_users_own_configuration_of_logging_takes_nothing_away(worker_log):
    page = Page()
    root = logging.getLogger()
    before = root.handlers[:]

    with taken():
        for handler in root.handlers[:]:  # as ``dictConfig`` and ``basicConfig(force=True)`` do
            root.removeHandler(handler)
        with output.of_job(page):
            log.info("still here")

    for handler in before:
        root.addHandler(handler)
    assert page.texts == ["still here"]


def test_a_forked_process_gives_its_lines_to_nobody(worker_log):
    page = Page()

    with job(page), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forking with threads
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                log.info("child")
                os._exit(len(page.lines))
            os._exit(99)
        _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert page.lines == []


PROGRAM = """
import asyncio, sys, threading, time, uuid
import uvloop
from runlane.engine import output
from runlane.logs import about_job, configure

configure("worker", "INFO", "text")
output.install()
import logging

async def handler():
    print("from the handler")
    await asyncio.to_thread(logging.getLogger("shop").info, "from a thread")
    thread = threading.Thread(target=lambda: print("from my own thread", file=sys.stderr))
    thread.start()
    thread.join()
    print("no end", end="")

class Page:
    def emit(self, *line):
        kept.append(line)

async def main():
    with about_job(uuid.UUID(int=7)), output.of_job(Page()):
        await handler()
    print("after the job")

kept = []
uvloop.run(main())
for text, level, logger in kept:
    print(f"{level}|{logger}|{text}")
"""


def test_a_worker_process_takes_all_of_it_and_logs_it_under_the_jobs_id():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.splitlines() == [
        "after the job",
        "info|stdout|from the handler",
        "info|shop|from a thread",
        "warning|stderr|from my own thread",
        "info|stdout|no end",
    ]
    logged = [line.split("worker   ")[1] for line in done.stderr.splitlines()]
    texts = ["from the handler", "from a thread", "from my own thread", "no end"]
    assert logged == [f"job=00000000-0000-0000-0000-000000000007 {text}" for text in texts]


def test_uninstalling_puts_everything_back():
    before = sys.stdout, sys.stderr, threading.Thread.start, ThreadPoolExecutor.submit, logging.getLogger().handlers[:]

    output.install()
    output.install()
    output.uninstall()
    assert threading.Thread.start is not before[2]
    output.uninstall()

    after = sys.stdout, sys.stderr, threading.Thread.start, ThreadPoolExecutor.submit, logging.getLogger().handlers[:]
    assert after == before

"""The programs of the guide that need a server, on one: the jobs of each page in a worker of their own."""

import asyncio
import os
import re
import signal
import sys

from testbed import ROOT
from testbed.waiting import PATIENCE_S, until
from tests.support.guide import PAGES, blocks
from tests.support.processes import running_app, start_worker

__all__ = ["start_worker"]
NEED_A_SERVER = [page for page in PAGES if any("server" in block.needs for block in blocks(page))]


async def test_the_programs_of_the_guide_run_as_they_stand(config, start_worker, tmp_path):
    async with running_app(tmp_path, config.redis_url, config.resolved_database_url) as app:

        async def titles():
            return {kind["title"] for kind in (await app.api.get("/api/kinds")).json() if kind["workers"]}

        for page in NEED_A_SERVER:
            folder = tmp_path / page.stem
            folder.mkdir()
            for block in blocks(page):
                if block.file:
                    (folder / block.file).write_text(block.code)
            expected = set(re.findall(r'^    """(.+)\.', (folder / "my_jobs.py").read_text(), re.MULTILINE))
            worker = await start_worker(cwd=folder, RUNLANE_JOBS="my_jobs")
            await until(titles, lambda found, expected=expected: found == expected)

            for block in blocks(page):
                if "server" in block.needs:
                    code, output = await run(folder / block.file, RUNLANE_URL=app.url)
                    assert code == 0, f"{page.name}, {block.file}: {output}"

            worker.signal(signal.SIGTERM)
            assert await worker.ends() == 0


async def run(program, **environ):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, program.name),
        cwd=program.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode, output.decode()

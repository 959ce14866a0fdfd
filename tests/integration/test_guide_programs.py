"""The programs of the guide that need a server, on one: the jobs of each page in a worker of their own."""

import asyncio
import os
import sys

import pytest

from testbed import ROOT
from testbed.waiting import PATIENCE_S, until
from tests.support.guide import PAGES, blocks
from tests.support.processes import running_app, start_worker

__all__ = ["start_worker"]
NEED_A_SERVER = [page for page in PAGES if any("server" in block.needs for block in blocks(page))]


@pytest.mark.parametrize("page", NEED_A_SERVER, ids=lambda page: page.stem)
async def test_the_programs_of_a_page_run_as_they_stand(page, config, start_worker, tmp_path):
    for block in blocks(page):
        if block.file:
            (tmp_path / block.file).write_text(block.code)
    async with running_app(tmp_path, config.redis_url, config.resolved_database_url) as app:
        await start_worker(cwd=tmp_path, RUNLANE_JOBS="my_jobs")

        async def kinds():
            return (await app.api.get("/api/kinds")).json()

        await until(kinds, lambda found: any(kind["workers"] for kind in found))

        for block in blocks(page):
            if "server" in block.needs:
                code, output = await run(tmp_path / block.file, RUNLANE_URL=app.url)
                assert code == 0, output


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

"""What the guide and the README run against a server, on one: the jobs of each page in a worker of their own."""

import asyncio
import os
import re
import shlex
import signal
import sys

from testbed import ROOT
from testbed.waiting import PATIENCE_S, until
from tests.support.guide import WITH_CODE, blocks
from tests.support.processes import running_app, start_worker

__all__ = ["start_worker"]
NEED_A_SERVER = [page for page in WITH_CODE if any("server" in block.needs for block in blocks(page))]


async def test_the_programs_of_the_guide_run_as_they_stand(config, start_worker, tmp_path):
    async with running_app(tmp_path, config.redis_url, config.resolved_database_url) as app:

        async def names():
            return {kind["name"] for kind in (await app.api.get("/api/kinds")).json() if kind["workers"]}

        for page in NEED_A_SERVER:
            folder = tmp_path / page.stem
            folder.mkdir()
            for block in blocks(page):
                if block.file:
                    (folder / block.file).write_text(block.code)
            code = (folder / "my_jobs.py").read_text()
            expected = set(re.findall(r"^@job.*\n(?:async )?def (\w+)", code, re.MULTILINE))
            worker = await start_worker(cwd=folder, RUNLANE_JOBS="my_jobs")
            await until(names, lambda found, expected=expected: found == expected)

            for block in blocks(page):
                if "server" in block.needs:
                    code, output = await run(block.file, folder=folder, RUNLANE_URL=app.url)
                    assert code == 0, f"{page.name}, {block.file}: {output}"
                for line in block.code.splitlines() if block.language == "sh" else ():
                    if line.startswith("runlane submit "):
                        code, output = await run("-m", *shlex.split(line), folder=folder, RUNLANE_URL=app.url)
                        assert code == 0, f"{page.name}, {line}: {output}"

            worker.signal(signal.SIGTERM)
            assert await worker.ends() == 0


async def run(*words, folder, **environ):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode, output.decode()

"""The handlers: one file a kind, each with ``async def run(params, job)``.

``params`` is the kind's parameter model, ``job`` a ``runlane.engine.progress.Progress``; what ``run`` returns, any
JSON, is the job's result. A handler knows no Redis and no SQL. A cancel reaches it as ``asyncio.CancelledError``:
clean up and let it pass. A job may run more than once (its worker may be lost), so a handler must be ready for that.
"""

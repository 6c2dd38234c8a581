"""A worker: runs the executions of jobs with the target {"handler": {"name": "report"}}."""

import asyncio
import os
from dataclasses import dataclass

from horolog import Run, Worker

worker = Worker(os.environ.get("HOROLOG_URL", "http://127.0.0.1:8081"), os.environ.get("HOROLOG_TOKEN"))


@dataclass
class Report:
    customer: int
    pages: int = 3


@worker.handler("report")
async def report(run: Run, payload: Report) -> dict[str, int]:
    # An attempt that failed may have got some of it done.
    done = run.checkpoint or 0
    for page in range(done, payload.pages):
        await asyncio.sleep(0.1)
        run.save(page + 1)
        run.progress(100 * (page + 1) / payload.pages, f"page {page + 1}")
    return {"customer": payload.customer, "pages": payload.pages}


worker.run()

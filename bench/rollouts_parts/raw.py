"""The least that a client of a vLLM server can do, run in the server's own environment: send, wait, count tokens.

    python raw.py URL REQUESTS.json CONCURRENCY     prints {"tokens": ..., "seconds": ..., "cpu_seconds": ...}

Nothing is decoded, checked or kept; REQUESTS.json is a list of request bodies.
"""

import asyncio
import json
import sys
import time

import aiohttp


async def run(url, bodies, concurrency):
    waiting, tokens = iter(bodies), 0

    async def work(session):
        nonlocal tokens
        for body in waiting:
            async with session.post(f"{url}/v1/completions", json=body) as reply:
                reply.raise_for_status()
                tokens += (await reply.json())["usage"]["completion_tokens"]

    started, worked = time.perf_counter(), time.process_time()
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
    seconds, worked = time.perf_counter() - started, time.process_time() - worked
    return {"tokens": tokens, "seconds": seconds, "cpu_seconds": worked}


if __name__ == "__main__":
    url, file, concurrency = sys.argv[1:]
    with open(file) as opened:
        bodies = json.load(opened)
    print(json.dumps(asyncio.run(run(url, bodies, int(concurrency)))))

"""The least that a client of a vLLM server can do, run in the server's own environment: send, wait, count tokens.

    python raw.py URL MODEL REQUESTS.json CONCURRENCY     prints {"tokens": ..., "seconds": ...}

No log-probabilities, no token ids, nothing is decoded or kept; REQUESTS.json is a list of request bodies.
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

    started = time.perf_counter()
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
    return {"tokens": tokens, "seconds": time.perf_counter() - started}


if __name__ == "__main__":
    url, model, file, concurrency = sys.argv[1:]
    with open(file) as opened:
        bodies = [{**body, "model": model} for body in json.load(opened)]
    print(json.dumps(asyncio.run(run(url, bodies, int(concurrency)))))

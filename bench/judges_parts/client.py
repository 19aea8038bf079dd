"""What the LLM judge's own client costs: a server on this machine that says "no" at once, without any model."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from training.judges.llm import Api, llm


def rate(api: Api, count: int) -> float:
    """Judgements a second, the server's own work in Python included: a floor."""
    asked = [[{"role": "user", "content": "what does the fox eat?"}]] * count
    with _server() as url:
        judge = llm(url=url, model="none", question="Does the answer name a price?", api=api, concurrency=16, batch=32)
        started = time.perf_counter()
        verdicts = judge.judge_all(asked, [f"the fox eats berry {place}." for place in range(count)])
        took = time.perf_counter() - started
    assert not any(each.violates for each in verdicts)
    return count / took


@contextmanager
def _server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            chances = {"no": -0.01, "yes": -4.6}
            if "messages" in body:
                tokens = [{"token": token, "logprob": value} for token, value in chances.items()]
                choices = [{"index": 0, "logprobs": {"content": [{"top_logprobs": tokens}]}}]
            else:
                several = range(len(body["prompt"]))
                choices = [{"index": each, "logprobs": {"top_logprobs": [chances]}} for each in several]
            text = json.dumps({"choices": choices}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""LitServe as it comes, which keeps nothing: a process that serves, and WORKERS that predict.

    python litserve_server.py MODEL PORT WORKERS
"""

import itertools
import os
import sys

import litserve
from model import Model

MODEL, PORT, WORKERS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = Model(MODEL, threads=max(1, (os.cpu_count() or 1) // WORKERS))
        self.ids = itertools.count(1)

    def decode_request(self, request) -> bytes:
        return request["file"].file.read()

    # Not in batches: the models have one picture a run.
    def predict(self, content: bytes) -> int | None:
        return self.model.predict(content)

    def encode_response(self, output: int | None) -> dict:
        return {"id": next(self.ids), "result": output}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=WORKERS)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="warning")

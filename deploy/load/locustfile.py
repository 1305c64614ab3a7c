"""A load of predictions: each user sends one picture after the other. See docs/predictions.md for the command.

Address and key are those of the stack that `npm start` keeps up, else of `--host` and DARKROOM_KEY; pictures are the samples, else the JPEGs
of the folder PICTURES.
"""

import json
import os
import pathlib
import random

import gevent
from locust import HttpUser, task

repository = pathlib.Path(__file__).parents[2]
home = pathlib.Path(os.environ.get("DARKROOM_HOME", repository / ".darkroom"))
file = home / "stack.json"
stack = json.loads(file.read_text()) if file.exists() else {}
folder = pathlib.Path(os.environ.get("PICTURES", repository / "apps/local/_samples"))
pictures = [(path.name, path.read_bytes(), "image/jpeg") for path in sorted(folder.glob("*.jpg"))]


class Client(HttpUser):
    host = stack.get("api")

    def on_start(self) -> None:
        key = os.environ.get("DARKROOM_KEY") or stack["key"]
        self.client.headers["Authorization"] = f"Bearer {key}"

    @task
    def predict(self) -> None:
        with self.client.post(
            "/predict", files={"file": random.choice(pictures)}, catch_response=True
        ) as answer:
            if answer.status_code != 200:
                answer.failure(f"{answer.status_code} {answer.text[:200]}")
                gevent.sleep(float(answer.headers.get("Retry-After", 0)))
            elif set(answer.json()) != {"id", "result"}:
                answer.failure(f"not the two keys: {answer.text[:200]}")

"""FastAPI, ONNX Runtime, Pillow, and a row in Postgres before the answer: a service as it is usually written.

    python fastapi_server.py MODEL PORT WORKERS

DATABASE_URL names a database whose table `results` it writes.
"""

import os
import sys

MODEL, PORT, WORKERS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

if __name__ == "__main__":
    import uvicorn

    os.environ["PEER_MODEL"] = MODEL
    uvicorn.run("fastapi_server:app", host="127.0.0.1", port=PORT, workers=WORKERS, log_level="warning")
else:
    from fastapi import FastAPI, UploadFile
    from model import Model
    from psycopg_pool import ConnectionPool

    model = Model(MODEL, threads=max(1, (os.cpu_count() or 1) // WORKERS))
    pool = ConnectionPool(os.environ["DATABASE_URL"], min_size=2, max_size=10, open=True)
    app = FastAPI()

    @app.get("/health")
    def health() -> dict:
        return {}

    # Not `async`: FastAPI runs it on a thread of its pool.
    @app.post("/predict")
    def predict(file: UploadFile) -> dict:
        result = model.predict(file.file.read())
        with pool.connection() as connection:
            row = connection.execute(
                "insert into results (filename, result) values (%s, %s) returning id", (file.filename, result)
            ).fetchone()
        return {"id": row[0], "result": result}

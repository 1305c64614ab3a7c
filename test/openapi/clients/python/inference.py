"""Clients of the Open Inference Protocol, tritonclient and the SDK of KServe, against a running API: prints what they got."""

import asyncio
import base64
import json
import os
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

url, key, photo = (os.environ[name] for name in ("API_URL", "API_KEY", "PHOTO"))
client = triton.InferenceServerClient(url.removeprefix("http://"), network_timeout=120)
got = {}


def headers():
    # The client writes into them.
    return {"Authorization": f"Bearer {key}"}


def tensor(name, values, datatype, binary=True):
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def infer(inputs, **options):
    return client.infer(os.environ.get("MODEL", "default"), inputs, headers=headers(), **options)


def refusal(call):
    try:
        return f"no refusal: {call()}"
    except InferenceServerException as error:
        return error.status()


def classifier():
    with open(photo, "rb") as file:
        jpeg = file.read()
    pictures = tensor("image", np.array([jpeg, jpeg], dtype=object), "BYTES")
    got["answers"] = []
    for algorithm in (None, "gzip", "deflate"):
        answer = infer([pictures], request_id="mine", request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
        got["answers"].append([answer.get_response()["id"], *(answer.as_numpy(name).tolist() for name in ("class_id", "score"))])
        got["label"] = answer.as_numpy("label")[0].decode()
        got["ids"] = answer.get_response()["parameters"]["prediction_ids"]
    own = infer([pictures], outputs=[triton.InferRequestedOutput(name) for name in ("logits", "class_id")])
    got["own"] = [own.as_numpy("logits").shape, bool((own.as_numpy("logits").argmax(axis=1) == own.as_numpy("class_id")).all())]
    texts = tensor("image", np.array([base64.b64encode(jpeg).decode()], dtype=object), "BYTES", binary=False)
    best = infer([texts], outputs=[triton.InferRequestedOutput("label", binary_data=False)], parameters={"top_k": 3}, timeout=30_000_000)
    got["best"] = best.as_numpy("label").tolist()

    shape = (1, 3, 224, 224)
    values = np.random.default_rng(7).normal(size=shape).astype(np.float32)
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name, binary in (("logits", True), ("class_id", False))]
    binary = infer([tensor("image", values, "FP32")], outputs=wanted)
    plain = infer([tensor("image", values, "FP32", binary=False)], outputs=[triton.InferRequestedOutput("logits", binary_data=False)])
    packed = infer([tensor("image", values, "FP32")], response_compression_algorithm="gzip")
    logits = binary.as_numpy("logits")
    got["tensors"] = {
        "shape": logits.shape,
        "same": bool((logits == plain.as_numpy("logits")).all() and (logits == packed.as_numpy("logits")).all()),
        "best": int(logits.argmax()) == int(binary.as_numpy("class_id")[0]),
    }

    metadata = client.get_model_metadata("default", headers=headers())
    got["ready"] = [client.is_server_live(), client.is_server_ready(), client.is_model_ready("default", headers=headers()), client.is_model_ready("none", headers=headers())]
    got["model"] = metadata["name"]
    got["config"] = client.get_model_config("default", headers=headers())["input"][0]["data_type"]
    got["index"] = [entry["state"] for entry in client.get_model_repository_index(headers=headers())]
    got["counted"] = client.get_inference_statistics("default", headers=headers())["model_stats"][0]["inference_count"]
    got["server"] = client.get_server_metadata(headers=headers())["name"]
    got["refused"] = [
        refusal(lambda: client.get_server_metadata()),
        refusal(lambda: client.get_trace_settings(headers=headers())),
        refusal(lambda: client.get_log_settings(headers=headers())),
        refusal(lambda: client.get_system_shared_memory_status(headers=headers())),
        refusal(lambda: client.get_cuda_shared_memory_status(headers=headers())),
        refusal(lambda: client.load_model("default", headers=headers())),
        refusal(lambda: infer([tensor("image", values.astype(np.float64), "FP64")])),
        refusal(lambda: infer([tensor("image", np.array([b"no picture"], dtype=object), "BYTES")])),
    ]
    asyncio.run(kserve(jpeg, values, logits))


async def kserve(jpeg, values, logits):
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

    async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=120)) as sdk:
        ready = [await sdk.is_server_live(url), await sdk.is_server_ready(url)]
        ready += [await sdk.is_model_ready(url, name, headers=headers()) for name in ("default", "none")]

        async def ask(data, datatype, binary):
            made = InferInput("image", list(data.shape), datatype)
            made.set_data_from_numpy(data, binary_data=binary)
            return await sdk.infer(url, InferRequest("default", [made]), model_name="default", headers=headers())

        pictures = await ask(np.array([jpeg], dtype=object), "BYTES", True)
        same = [bool(np.array_equal((await ask(values, "FP32", binary)).outputs[0].as_numpy(), logits)) for binary in (True, False)]
        got["kserve"] = {"ready": ready, "label": pictures.outputs[2].data, "same": same}


def halves():
    """A model of FP16 whose score is the mean of its input."""
    got["halves"] = []
    for value in (0.1, 0.333, 65504 / 65504):
        values = np.full((1, 3, 64, 64), value, dtype=np.float16)
        answer = infer([tensor("images", values, "FP16")]).as_numpy("output0")
        got["halves"].append([str(answer.dtype), list(answer.shape), float(answer[0, 4, 0]), float(np.float16(value)), float(answer[0, 0, 0])])


{"classifier": classifier, "halves": halves}[sys.argv[1]]()
print(json.dumps(got))

"""Schemathesis on the documents of the Open Inference Protocol, of its own as a package has it and of ours: prints how many requests it has made and how they were answered."""

import collections
import importlib.util
import json
import os
import pathlib
import sys
import urllib.request

import hypothesis
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

url, key, model, version = (os.environ[name] for name in ("API_URL", "API_KEY", "MODEL", "VERSION"))
headers = {"Authorization": f"Bearer {key}"}
examples = int(sys.argv[1])


def protocol():
    """As MLServer publishes it; without what is MLServer's alone, and with what is no JSON Schema there made such."""
    package = pathlib.Path(importlib.util.find_spec("mlserver").origin).parent
    document = json.loads((package / "rest" / "openapi" / "dataplane.json").read_text())
    document["paths"] = {
        path: methods
        for path, methods in document["paths"].items()
        if not path.endswith(("infer_stream", "generate", "generate_stream"))
    }
    document["components"]["schemas"]["TensorData"] = {"type": "array", "items": {}}
    return document


def own():
    with urllib.request.urlopen(f"{url}/openapi.json") as answer:
        document = json.load(answer)
    document["paths"] = {path: of for path, of in document["paths"].items() if path.startswith("/v2")}
    document["servers"] = []
    return document


def named(document):
    """Has models that are there asked for as often as others."""
    names = {"model": [model, "default", "no/such"], "version": [version, "0"]}
    for path, methods in document["paths"].items():
        for of in [methods, *(one for one in methods.values() if isinstance(one, dict))]:
            for parameter in of.get("parameters", []):
                name = parameter["name"].removeprefix("model_") if parameter["in"] == "path" else None
                if name in ("version",) or parameter["name"] in ("model", "model_name"):
                    parameter["schema"] = {"type": "string", "enum": names["version" if name == "version" else "model"]}
    return document


def try_all(document, checks):
    schema = schemathesis.openapi.from_dict(named(document))
    seen = collections.Counter()
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
            except Exception as error:  # Nothing about it can be wrong.
                seen[f"none {type(error).__name__}"] += 1
                continue

            @hypothesis.settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[hypothesis.Phase.generate],
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            @hypothesis.given(case=strategy)
            def attempt(case):
                answer = case.call(base_url=url, headers=headers)
                case.validate_response(answer, checks=[not_a_server_error], additional_checks=checks)
                seen[str(answer.status_code)] += 1
                if answer.status_code >= 400:
                    assert list(answer.json()) == ["error"], answer.text

            try:
                attempt()
            except hypothesis.errors.Unsatisfiable:
                seen["none"] += 1
    return dict(seen)


print(
    json.dumps(
        {
            "protocol": try_all(protocol(), [response_schema_conformance]),
            "own": try_all(own(), [status_code_conformance, response_schema_conformance, content_type_conformance]),
        }
    )
)

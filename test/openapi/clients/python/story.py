"""Submits a photo, follows the job, fetches what was found and made: all by the client that openapi-python-client writes.

Prints what it got as JSON. Environment: API_URL, API_KEY, PHOTO (a file); the client is the module darkroom_client.
"""

import hashlib
import io
import json
import os

import httpx
from darkroom_client import AuthenticatedClient
from darkroom_client.api.analysis import get_analysis, list_segments, submit_analysis
from darkroom_client.api.jobs import get_job, get_job_archive, get_job_results
from darkroom_client.models import (
    AnalysisAccepted,
    AnalysisForm,
    Job,
    JobProgressEvent,
    JobSnapshotEvent,
    JobStateEvent,
    PhotoAnalysis,
    Problem,
    Results,
    SegmentPage,
)
from darkroom_client.types import File

EVENTS = {"snapshot": JobSnapshotEvent, "state": JobStateEvent, "progress": JobProgressEvent}

client = AuthenticatedClient(
    base_url=os.environ["API_URL"], token=os.environ["API_KEY"], timeout=httpx.Timeout(60)
)


def submit(path: str) -> str:
    with open(path, "rb") as photo:
        file = File(payload=io.BytesIO(photo.read()), file_name=os.path.basename(path), mime_type="image/jpeg")
    form = AnalysisForm(file=file, labels=["cat", "dog"], score_threshold=0.5)
    accepted = submit_analysis.sync(client=client, body=form, idempotency_key="story-python")
    assert isinstance(accepted, AnalysisAccepted), accepted
    return accepted.task_id


def follow(job_id: str) -> list[str]:
    """Reads the job's events to their end, each by its model."""
    names = []
    with client.get_httpx_client().stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line != "":
                fields[name] = value
            elif "event" in fields:
                document = {"event": fields["event"], "id": fields["id"], "data": json.loads(fields["data"])}
                names.append(EVENTS[fields["event"]].from_dict(document).event)
                fields = {}
    return names


job_id = submit(os.environ["PHOTO"])
events = follow(job_id)
job = get_job.sync(job_id, client=client)
assert isinstance(job, Job), job
task = get_analysis.sync(job_id, client=client)
assert isinstance(task, PhotoAnalysis), task
page = list_segments.sync(job_id, client=client)
assert isinstance(page, SegmentPage), page
results = get_job_results.sync(job_id, client=client)
assert isinstance(results, Results), results
archive = get_job_archive.sync(job_id, client=client)
assert isinstance(archive, File), archive
missing = get_job.sync("none", client=client)
assert isinstance(missing, Problem), missing
print(
    json.dumps(
        {
            "id": job_id,
            "events": events,
            "state": job.state.value,
            "percent": job.progress.percent,
            "problem": missing.code.value,
            "finished": task.finished_at is not None and task.finished_at >= task.created_at,
            "scoreThreshold": task.options.score_threshold,
            "detections": [found.label for segment in page.segments for found in segment.detections],
            "files": [
                {"path": file.path, "whole": hashlib.sha256(httpx.get(file.url).content).hexdigest() == file.sha256}
                for file in results.files
            ],
            "archive": archive.payload.read()[:4].hex(),
        }
    )
)

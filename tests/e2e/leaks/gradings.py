"""Gradings and questions to the embeddings service with a canary in every place where a caller can write."""

import json
from typing import Any

from tests.e2e.leaks.asks import ESSAY, GRADE, KEPT, LABELS, RUBRICS, Traffic, submission


def grades(traffic: Traffic) -> None:
    planted = traffic.planted
    for grader in ("grader-llm", "grader-embedding", "grader-auto"):
        rubric = {"rubric": _rubric(traffic, grader)} if grader != "grader-embedding" else {}
        body = submission(traffic, grader, language="ru", **rubric)
        once = planted(f"idempotency key of {grader}")
        path = f"/v1/models/{grader}:predict"
        traffic.post(grader, path, body, 200, b"idempotency-key: " + once.encode())
        traffic.post(f"{grader} again", path, body, 200, b"idempotency-key: " + once.encode())
        traffic.post(f"{grader} anew", path, body, 200, b"cache-control: no-cache")
    traffic.post("instances", GRADE, {"instances": [submission(traffic, f"instance {n}") for n in range(3)]})
    labels = [planted("label", LABELS), "хорошо"]
    of = "classification"
    body = submission(traffic, of, task_type=of, labels=labels, reference_answers=["хорошо"])
    traffic.post(of, GRADE, body)
    language = planted("language", KEPT)
    traffic.post("language", GRADE, submission(traffic, "language", language=language, task_type="text"))
    criterion = {"id": "CR1", "description": f"Oxygen, {planted('criterion of a stored rubric', RUBRICS)}"}
    notes = planted("notes of a stored rubric", RUBRICS)
    stored = {"name": "essay", "version": "1.0.0", "criteria": [criterion], "grading_notes": notes}
    traffic.post("rubric", "/v1/rubrics", stored, 201, key="trainer")
    traffic.post("by rubric", GRADE, submission(traffic, "rubric_id", rubric_id="essay@1.0.0"))
    traffic.post("mask", "/v1/mask", {"text": f"{ESSAY} {planted('mask')}"})


def _rubric(traffic: Traffic, of: str) -> dict[str, Any]:
    planted = traffic.planted
    return {
        "criteria": [
            {"id": "CR1", "description": f"As Rosalind Ashworth asks, {planted(f'criterion of {of}')}"},
            {"id": "CR2", "description": "Работа Трофима Залесского, а не чужая."},
        ],
        "grading_notes": f"Залесский сдал раньше, {planted(f'notes of {of}')}",
    }


def programs(traffic: Traffic) -> None:
    planted = traffic.planted
    program = (
        f"# Автор: Вержбицкая Аделаида Никаноровна, {planted('comment of a program')}\n"
        f'"""Written by Rosalind Ashworth, {planted("docstring of a program")}"""\n'
        f'EMAIL = "{planted("string of a program")}"  # тел. +7 (912) 480-37-15\n'
        'CARD = "5500 0055 5555 5559"\nprint(EMAIL)\n'
    )
    traffic.post(
        "program", GRADE, submission(traffic, "program", language="python") | {"submission": program}
    )


def inference(traffic: Traffic) -> None:
    planted = traffic.planted

    def tensor(name: str, where: str) -> dict[str, Any]:
        data = [ESSAY, planted(where)]
        return {
            "name": name,
            "datatype": "BYTES",
            "shape": [2],
            "data": data,
            "parameters": {"x": planted(where)},
        }

    traffic.post("classifier", "/v1/models/spam:predict", {"text": f"{ESSAY} {planted('classifier')}"})
    traffic.post("encoder", "/v1/models/tiny-encoder:predict", {"instances": [ESSAY, planted("encoder")]})
    body = {
        "model": "tiny-encoder",
        "input": [ESSAY, planted("embeddings")],
        "user": planted("embeddings' user"),
    }
    traffic.post("embeddings", "/v1/embeddings", body)
    inputs = [tensor("text", "tensor")]
    body = {"id": planted("id of an inference"), "parameters": {"x": planted("parameters")}, "inputs": inputs}
    traffic.post("inference", "/v2/models/spam/infer", body)
    inputs = [tensor(name, f"tensor {name}") for name in ("submission", "question", "reference")]
    traffic.post("comparison", "/v2/models/grader-embedding/infer", {"inputs": inputs})


def batches(traffic: Traffic) -> None:
    planted = traffic.planted
    once = b"idempotency-key: " + planted("idempotency key of a batch").encode()
    items = [
        {"id": planted(f"id of item {n}", KEPT), **submission(traffic, f"item {n}", grader="llm")}
        for n in range(2)
    ]
    broken = {"id": "broken", "submission": ESSAY, planted("unknown field of an item"): 1}
    traffic.post("batch", "/v1/batches", {"requests": [*items, broken]}, 202, once)
    lines = [{"id": f"line {n}", **submission(traffic, f"line {n}")} for n in range(2)]
    body = b"\n".join(json.dumps(line).encode() for line in lines)
    traffic.post("batch of lines", "/v1/batches", body, 202, b"content-type: application/jsonl")
    one = {"custom_id": "1", "method": "POST", "url": GRADE, "body": submission(traffic, "OpenAI's batch")}
    traffic.post("OpenAI's batch", "/v1/batches", {"requests": [one]}, 202)


def artefacts(traffic: Traffic, address: str) -> None:
    """The address itself goes to the store that it names, and to nobody else."""
    planted = traffic.planted
    wrong = "0" * 64
    for label, name, sha256, status in (
        ("artefact", "there", None, 200),
        ("artefact of another hash", "there", wrong, 400),
        ("no artefact", "away", None, 400),
    ):
        url = f"{address}/{name}?to={planted(label)}&name=Ashworth"
        body = {"artifact": {"url": url, "sha256": sha256}, "question": "?", "contract": "v1.1"}
        traffic.post(label, GRADE, body, status)
    elsewhere = {"artifact": {"url": f"https://{planted('a host').replace('@', '.')}/x"}, "question": "?"}
    traffic.post("artefact elsewhere", GRADE, elsewhere, 400)

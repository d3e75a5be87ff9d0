"""A path's template, for logs and metrics: a path itself may hold what a caller typed."""

from gateway.grading.routing import GRADERS

# A language model's seconds are no classifier's: the objective of the one would hide in the other's figures.
_GRADER_PATHS = frozenset(f"/v1/models/{name}:predict" for name in GRADERS)
_PLAIN = frozenset(
    {
        "/-/healthz",
        "/-/readyz",
        "/metrics",
        "/openapi.json",
        "/predict",
        "/predict_scenario",
        "/v1/audit",
        "/v1/batches",
        "/v1/chat/completions",
        "/v1/contracts",
        "/v1/datasets",
        "/v1/drift",
        "/v1/drift-references",
        "/v1/drift-runs",
        "/v1/embeddings",
        "/v1/grades",
        "/v1/mask",
        "/v1/model-classes",
        "/v1/models",
        "/v1/reviews",
        "/v1/reviews/agreement",
        "/v1/rubrics",
        "/v1/status",
        "/v1/training-jobs",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
    }
)
# What a caller names in a resource's path, and what may stand behind it.
_RESOURCES = {
    "/v1/batches": ("{id}", ("/results", ":cancel")),
    "/v1/contracts": ("{version}", ()),
    "/v1/datasets": ("{name}", ()),
    "/v1/drift-references": ("{id}", ()),
    "/v1/drift-runs": ("{id}", ("/report",)),
    "/v1/grades": ("{id}", ()),
    "/v1/models": ("{name}", ("/versions", ":predict", ":promote", ":retrain")),
    "/v1/reviews": ("{id}", ()),
    "/v1/rubrics": ("{id}", (":rescore",)),
    "/v1/training-jobs": ("{id}", ("/events", ":cancel")),
    "/v2/models": ("{name}", ("/infer", "/ready")),
}


def template(path: str) -> str:
    """One of a bounded number: the path where nothing in it is a caller's, a resource's, or `other`."""
    if path in _PLAIN:
        return path
    if path in _GRADER_PATHS:
        return "/v1/models/{grader}:predict"
    for resource, (named, ends) in _RESOURCES.items():
        if path.startswith(f"{resource}/"):
            return f"{resource}/{named}" + next((end for end in ends if path.endswith(end)), "")
    return "other"

"""What the dashboard shows, from the figures that one looks at first down to the process."""

from monitoring.rows import grading, now, serving

ROWS = (
    now.NOW,
    now.OBJECTIVES,
    serving.TRAFFIC,
    serving.MODELS,
    serving.SATURATION,
    grading.MASKING,
    grading.GRADING,
    grading.DRIFT,
    serving.KEYS,
    serving.PROCESS,
)

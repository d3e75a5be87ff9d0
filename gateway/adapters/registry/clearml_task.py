"""A training as a ClearML Task and its OutputModel, by the SDK: what is written online and offline alike."""

from collections.abc import Sequence

from clearml import OutputModel, Task

from gateway.adapters.registry.entries import MODEL_FILE, SIGNATURE, Run

# Task.init patches what is named here to follow a training in its process; ours is over.
_FOLLOWED = (
    *(
        "absl",
        "catboost",
        "detect_repository",
        "fastai",
        "gradio",
        "hydra",
        "joblib",
        "jsonargparse",
        "lightgbm",
    ),
    *("matplotlib", "megengine", "pytorch", "scikit", "tensorboard", "tensorflow", "tfdefines", "xgboost"),
)
_LONGEST = 4_000  # characters of a value


def opened_task(project: str, name: str, job_id: str, upload_uri: str | None) -> Task:
    return Task.init(
        project_name=project,
        task_name=name,
        task_type=Task.TaskTypes.training,
        tags=[job_id],
        reuse_last_task_id=False,
        output_uri=upload_uri,
        auto_connect_arg_parser=False,
        auto_connect_frameworks=dict.fromkeys(_FOLLOWED, False),
        auto_connect_streams=False,
        auto_resource_monitoring=False,
    )


def written(task: Task, run: Run, tags: Sequence[str], upload_uri: str | None) -> OutputModel:
    """Everything of the run, and its model with `tags`. Weights and plots are uploaded when it returns."""
    parameters = {_section(name): value for name, value in run.parameters.items()}
    parameters |= {f"lineage/{name}": value for name, value in run.tags.items() if name != SIGNATURE}
    task.set_parameters({name: value[:_LONGEST] for name, value in parameters.items()})
    if run.tags["git_commit"] and not task.is_offline():  # offline it has no script
        task.set_script(commit=run.tags["git_commit"])
    logger = task.get_logger()
    if upload_uri:
        logger.set_default_upload_destination(upload_uri)
    for name, value in run.metrics.items():
        logger.report_single_value(name, value)
    for plot in run.plots:
        logger.report_image("plots", plot.stem, iteration=0, local_path=str(plot))
    for paper in run.papers:
        if not task.upload_artifact(paper.name, paper, auto_pickle=False, wait_on_upload=True):
            raise OSError("an artefact could not be uploaded")
    model = OutputModel(
        task=task,
        name=run.model,
        framework="ONNX",
        label_enumeration={label: index for index, label in enumerate(run.labels)},
        tags=list(tags),
    )
    model.update_weights(
        str(run.model_file),
        target_filename=MODEL_FILE,
        auto_delete_file=False,
        update_comment=False,  # it would hold this machine's path
        async_enable=False,
    )
    return model


def _section(name: str) -> str:
    """`given.C` stands in the section `given`, an estimator's own parameter in `estimator`."""
    section, dot, rest = name.partition(".")
    return f"{section}/{rest}" if dot and section in ("given", "job") else f"estimator/{name}"

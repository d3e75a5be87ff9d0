"""Settings -> the table of models. What cannot be served as its manifest says ends the start."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from embeddings import cache, comparison, manifest, source
from embeddings.batching import Batcher, Limits
from embeddings.classification import Classifier, ClassifierModel
from embeddings.comparison import GraderModel
from embeddings.encoder import Encoder
from embeddings.grading import LABELS, Grader
from embeddings.manifest import GRADING, Manifest, Verified, unusable
from embeddings.models import AnyModel, EncoderModel, Models
from embeddings.settings import NO_HEADS, Settings

_LETTERS_AT_ONCE = 8192  # of a batch: a few milliseconds
_BESIDE_THE_CODE = Path(__file__).parent / "heads"


@dataclass(frozen=True, slots=True)
class Head:
    """A head that has been run once, and the encoder it was trained on, in fp32."""

    manifest: Manifest
    encoder: Encoder
    core: Classifier | Grader

    def model(self, batcher: Batcher) -> AnyModel:
        """`batcher` computes with the head's encoder or, where the head asks none, with the head itself."""
        if isinstance(self.core, Grader):
            return GraderModel(self.manifest, self.core, self.encoder, batcher)
        return ClassifierModel(self.manifest, self.core, self.encoder, batcher)


def load(settings: Settings) -> tuple[Encoder, str]:
    """The encoder that the settings name, and its version. Blocking. Raises Unusable."""
    found = source.find(settings.model, settings.model_name, settings.model_revision, settings.cache / "hub")
    content, version = cache.onnx_file(found, settings.precision, settings.cache)
    return Encoder(found, content, max_tokens=settings.max_tokens), version


@asynccontextmanager
async def table(
    settings: Settings,
    encoder: Encoder,
    version: str,
    heads: Sequence[Head] = (),
    *,
    on_batch: Callable[[int, int, float], None] = lambda *_: None,
) -> AsyncIterator[tuple[Models, Callable[[], int]]]:
    """The table of models, and how many texts wait; one batcher for each encoder. What waits at the end is
    finished."""
    limits = Limits(
        rows=settings.max_batch,
        tokens=settings.max_batch_tokens,
        wait_s=settings.max_wait_ms / 1000,
        queue=settings.max_queue,
        delay_s=settings.max_delay_ms / 1000,
        threads=settings.threads,
    )
    async with AsyncExitStack() as stack:
        batchers: dict[Encoder, Batcher] = {}
        for one in (encoder, *(head.encoder for head in heads)):
            if one not in batchers:
                batchers[one] = Batcher(one.encode, limits, on_batch=on_batch)
                stack.push_async_callback(batchers[one].close)
        first = EncoderModel(encoder, version, batchers[encoder], truncate=settings.truncate)
        models: list[AnyModel] = [first]
        every = list(batchers.values())
        for head in heads:
            batcher = batchers[head.encoder]
            if isinstance(head.core, Classifier) and not head.core.deep:
                # It asks no encoder, and yet its work waits in a queue with bounds.
                batcher = Batcher(head.core.judged, replace(limits, tokens=_LETTERS_AT_ONCE))
                stack.push_async_callback(batcher.close)
                every.append(batcher)
            models.append(head.model(batcher))
        yield Models(models), lambda: sum(batcher.waiting for batcher in every)


def heads(settings: Settings, encoder: Encoder) -> tuple[Head, ...]:
    """All heads that the settings name, in order of their names. They share `encoder`, the settings' own,
    where it is the one that they were trained on, in fp32; else the wheel's is loaded beside it. Blocking.
    Raises Unusable."""
    found = [manifest.read(folder) for folder in _folders(settings)]
    shared = encoder if settings.precision == "fp32" else None
    own: Encoder | None = None
    made = []
    for head in found:
        wanted = head.manifest.encoder.sha256
        if head.manifest.name == encoder.name:
            raise unusable(head.manifest.name, "the encoder has the same name")
        if shared is not None and wanted == shared.source.weights_sha256():
            made.append(_loaded(head, shared))
            continue
        if wanted != source.WHEEL_SHA256:
            raise unusable(head.manifest.name, "it was trained on another encoder (sha256 differs)")
        own = own or _wheels_encoder(settings)
        made.append(_loaded(head, own))
    return tuple(made)


def _folders(settings: Settings) -> Iterator[Path]:
    if settings.heads == NO_HEADS:
        return
    folder = Path(settings.heads).expanduser() if settings.heads else _BESIDE_THE_CODE
    if not folder.is_dir():
        return  # a checkout in which nothing was trained yet
    yield from sorted(one for one in folder.iterdir() if one.is_dir() and one.name[0] not in "._")


def _wheels_encoder(settings: Settings) -> Encoder:
    found = source.find("", "", "", settings.cache)
    content, _ = cache.onnx_file(found, "fp32", settings.cache)
    return Encoder(found, content, max_tokens=found.max_tokens)


def _loaded(head: Verified, encoder: Encoder) -> Head:
    told = head.manifest
    if told.max_tokens > encoder.positions:
        raise unusable(told.name, f"its encoder reads {encoder.positions} tokens at most")
    if told.task == GRADING:
        return Head(told, encoder, _grader(head, encoder))
    return Head(told, encoder, Classifier(head, encoder.width))


def _grader(head: Verified, encoder: Encoder) -> Grader:
    if head.manifest.labels != LABELS:
        raise unusable(head.manifest.name, f"a grader's labels are {', '.join(LABELS)}")
    try:
        made = Grader.load(head.contents)
        # Once in earnest: what does not fit the encoder fails here and not on the first answer.
        (probe,) = encoder.encode([encoder.clipped(["a"], [8])[0].ids])
        read = comparison.read("a", probe, made)
        made.ask_everybody(read)
    except Exception as error:
        reason = f"its files do not belong together ({type(error).__name__})"
        raise unusable(head.manifest.name, reason) from error
    if len(made.rarities) < encoder.vocabulary:
        raise unusable(head.manifest.name, "it knows fewer words than its encoder")
    return made

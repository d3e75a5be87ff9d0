"""What recognisers say: Presidio's results, made in one way."""

from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult

CITED = "cited"  # metadata of a person who is subject matter: a theorem's, a writer's, a source's name


def found(
    recognizer: EntityRecognizer, kind: str, start: int, end: int, score: float, *, cited: bool = False
) -> RecognizerResult:
    """`text[start:end]` is of `kind`, with a score of 0 to 1."""
    name: str = recognizer.name  # type: ignore[has-type]  # Presidio sets it without a type
    return RecognizerResult(
        kind,
        start,
        end,
        score,
        AnalysisExplanation(recognizer=name, original_score=score),
        {
            RecognizerResult.RECOGNIZER_NAME_KEY: name,
            RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: recognizer.id,
            CITED: cited,
        },
    )

"""What recognisers say: Presidio's results, made in one way."""

from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult

CITED = "cited"  # metadata of a person who is subject matter: a theorem's, a writer's, a source's name
INTRODUCED = "introduced"  # metadata of a person who says who he is: «Меня зовут ...», "Author: ..."


def found(
    recognizer: EntityRecognizer,
    kind: str,
    start: int,
    end: int,
    score: float,
    *,
    cited: bool = False,
    introduced: bool = False,
) -> RecognizerResult:
    """`text[start:end]` is of `kind`, with a score of 0 to 1; of a person the score says more."""
    if kind == "PERSON":
        score = _of_a_person(score, cited=cited, introduced=introduced)
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
            INTRODUCED: introduced,
        },
    )


def _of_a_person(score: float, *, cited: bool, introduced: bool) -> float:
    """Of two findings of the same words Presidio keeps the surer: an introduction must win over everything,
    and the person at hand over the cited one (who stays above PROGRAM_THRESHOLD: a policy may mask both)."""
    if introduced:
        return 1.0
    return 0.62 + score / 10 if cited else min(score, 0.999)

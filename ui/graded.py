"""A grade as people read it, on the pages Grade and Review."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ui.frame import plain
from ui.highlight import quoted
from ui.markup import passage, sheet
from ui.words import Table, t

REASONS: Table = {  # docs/grading.md, "Why a person should look"
    "answer_repaired": (
        "The model's first answer was unusable; it was asked once more.",
        "Первый ответ модели был непригоден, её спросили ещё раз.",
    ),
    "code_not_understood": (
        "A program was compared as words: nothing was run.",
        "Программа сравнивалась как текст, её не запускали.",
    ),
    "criterion_as_reference": (
        "Without a reference answer, the rubric's criteria stood in for one.",
        "Эталонного ответа нет, вместо него взяты критерии рубрики.",
    ),
    "evidence_not_in_submission": (
        "The model quoted what is not in the submission; the quote was dropped.",
        "Модель процитировала то, чего в работе нет; цитата убрана.",
    ),
    "fallback": (
        "The first grader could not be had, so the other one graded.",
        "Первый оценщик недоступен, оценил другой.",
    ),
    "graders_disagree": (
        "The second grader's opinion is far from this one.",
        "Мнение второго оценщика сильно отличается.",
    ),
    "guard_unavailable": (
        "The watch over orders to the grader could not be asked.",
        "Проверка на указания оценщику была недоступна.",
    ),
    "injection_score_jump": (
        "The suspected order had raised the score; the lower grade counts.",
        "Подозрительное указание повышало балл; учтена меньшая оценка.",
    ),
    "injection_suspected": (
        "There seems to be an order to the grader in the text.",
        "Похоже, в тексте есть указание оценщику.",
    ),
    "low_confidence": ("The grader is not sure.", "Оценщик не уверен."),
    "no_expected_label": (
        "Without an expected label the answer cannot be scored.",
        "Ожидаемая метка не задана, балл не посчитать.",
    ),
    "nothing_to_compare_with": (
        "There is neither a reference answer nor a rubric nor test results.",
        "Нет ни эталонного ответа, ни рубрики, ни результатов тестов.",
    ),
    "off_topic_suspected": (
        "The text shares no word with its question: perhaps it is off the topic.",
        "У текста нет общих слов с вопросом: возможно, он не по теме.",
    ),
    "question_copied": ("The submission repeats the question.", "Работа повторяет вопрос."),
    "rubric_not_used": (
        "The rubric was set aside: reference answers or labels decided.",
        "Рубрика не использована: решали эталонные ответы или метки.",
    ),
    "samples_disagree": ("The model's replies differ widely.", "Ответы модели сильно расходятся."),
    "submission_or_task_cut": (
        "The submission or the task was longer than the model reads, and was cut.",
        "Работа или задание длиннее, чем читает модель, и были обрезаны.",
    ),
}
W: Table = {
    "score": ("Score", "Балл"),
    "confidence": ("Confidence", "Уверенность"),
    "not_told": ("not told", "не указана"),
    "label": ("Label", "Метка"),
    "no_label": ("none", "нет"),
    "needs_review": ("A person should look at this grade:", "Эту оценку должен посмотреть человек:"),
    "no_review": ("Nothing speaks for a person's look.", "Причин для проверки человеком нет."),
    "cached": (
        "Given before for the same content: no model was asked this time.",
        "Такая же работа уже оценивалась: модель в этот раз не спрашивали.",
    ),
    "criterion": ("Criterion", "Критерий"),
    "points": ("Points", "Баллы"),
    "why": ("Comment and evidence", "Комментарий и цитата"),
    "evidence": ("Evidence: {words}", "Цитата: {words}"),
    "versions": (
        "Graded by {grader}, model {model}, prompt {prompt}, rubric {rubric}, contract {contract}.",
        "Оценил {grader}, модель {model}, промпт {prompt}, рубрика {rubric}, контракт {contract}.",
    ),
    "tokens": (
        "Tokens: {read} read, {written} written. Grade {id}.",
        "Токены: {read} прочитано, {written} написано. Оценка {id}.",
    ),
    "text": ("The submission, with the evidence marked", "Работа с отмеченными цитатами"),
    "bare": ("The submission; no evidence was quoted", "Работа; цитат нет"),
    "empty": ("The submission is empty.", "Работа пуста."),
}


def reason(code: str) -> str:
    """A reason in words; one that is new here as it is."""
    return t(code, REASONS) if code in REASONS else plain(code)


def points(value: float) -> str:
    """12.5 and not 12.50; a third of ten as 3.33."""
    return f"{round(value, 2):g}"


def percent(value: float | None) -> str:
    return t("not_told", W) if value is None else f"{value:.0%}"


def headline(grade: Mapping[str, Any]) -> None:
    """Score, confidence, label, and whether a person should look."""
    with st.container(horizontal=True, gap="large"):
        st.metric(t("score", W), f"{points(grade['score'])} / {points(grade['max_score'])}", width="content")
        st.metric(t("confidence", W), percent(grade["confidence"]), width="content")
        if grade["label"] is not None:
            st.metric(t("label", W), grade["label"], width="content")
    if grade["needs_review"]:
        reasons = [reason(code) for code in grade["review_reasons"]]
        listed = f" {reasons[0]}" if len(reasons) == 1 else "".join(f"\n- {one}" for one in reasons)
        st.warning(f"**{t('needs_review', W)}**{listed}", icon=":material/person_search:")
    else:
        st.success(t("no_review", W), icon=":material/check_circle:")
    if grade.get("cached"):
        st.caption(t("cached", W))


def criteria(grade: Mapping[str, Any]) -> None:
    """Each criterion's points, comment and evidence; what was said of the whole, if that is more."""
    listed = grade["details"]["criteria"]
    rows = [
        [one["id"], f"{points(one['points'])} / {points(one['max_points'])}", _explained(one)]
        for one in listed
    ]
    st.html(sheet([t("criterion", W), t("points", W), t("why", W)], rows, numbers={1}))
    if rest := remark(grade):
        st.html(passage(rest))


def submission(text: str, grade: Mapping[str, Any], *, code: bool) -> None:
    """The text with each criterion's evidence marked in it."""
    quotes = [(one["id"], one["evidence"]) for one in grade["details"]["criteria"]]
    marks = quoted(text, quotes)
    st.markdown(f"**{t('text' if marks else 'bare', W)}**")
    if text:
        st.html(passage(text, marks, code=code))
    else:
        st.caption(t("empty", W))


def origin(grade: Mapping[str, Any]) -> None:
    """Who graded, by what, for how much."""
    versions = {name: plain(str(value)) for name, value in grade["versions"].items()}
    usage = grade["usage"]
    st.caption(
        t("versions", W, grader=plain(grade["grader"]), **versions)
        + " "
        + t(
            "tokens",
            W,
            read=usage["prompt_tokens"],
            written=usage["completion_tokens"],
            id=plain(str(grade.get("id", ""))),
        )
    )


def mentions(entities: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, int, str]]:
    """By kind of what was masked: the kind, values, mentions, who found them; the most frequent first."""
    counted = Counter(one["type"] for one in entities)
    return [
        (
            kind,
            len({one["placeholder"] for one in entities if one["type"] == kind}),
            count,
            ", ".join(sorted({one["recogniser"] for one in entities if one["type"] == kind})),
        )
        for kind, count in counted.most_common()
    ]


def remark(grade: Mapping[str, Any]) -> str:
    """What the comments say beyond the criteria's own, which stand in the table."""
    listed = [one for one in grade["details"]["criteria"] if one["comment"]]
    lines = [one["comment"] if len(listed) == 1 else f"{one['id']}: {one['comment']}" for one in listed]
    known = "\n".join(lines)
    rest = str(grade["comments"]).replace(known, "", 1)
    return "\n".join(line for line in rest.splitlines() if line.strip())


def _explained(criterion: Mapping[str, Any]) -> str:
    quote = t("evidence", W, words=criterion["evidence"]) if criterion["evidence"] else ""
    return "\n".join(filter(None, [criterion["comment"], quote]))

"""What is typed on the page Grade: what is graded, by what, against what.

No `st.form`: what is typed in one and not sent yet is lost when its reader visits another page.
"""

import time

import streamlit as st

from ui import frame
from ui.picking import choose
from ui.submission import AUTO, MOST_BYTES, MOST_CHARS, TASKS, NoText, Typed, read_file
from ui.words import Table, t

W: Table = {
    "task": ("Task", "Задание"),
    "task_text": ("Text", "Текст"),
    "task_code": ("Program", "Программа"),
    "task_classification": ("Classification", "Классификация"),
    "grader": ("Grader", "Оценщик"),
    "grader-auto": ("Automatic", "Авто"),
    "grader-llm": ("LLM", "LLM"),
    "grader-embedding": ("Embeddings", "Эмбеддинги"),
    "grader_help": (
        "Automatic: by the task; another steps in when one is down. A named one grades, or nobody does.",
        "Авто: по типу задания, при сбое оценит другой. Выбранный явно оценивает сам, или никто.",
    ),
    "submission": ("Submission", "Работа"),
    "from_file": ("From a file", "Из файла"),
    "file": (
        "Text in UTF-8, up to 1 MB; it replaces what stands below",
        "Текст в UTF-8 до 1 МБ; заменит текст ниже",
    ),
    "file_large": ("The file is larger than 1 MB.", "Файл больше 1 МБ."),
    "file_long": (
        "The file has more than 200,000 characters, which is the most that is graded.",
        "В файле больше 200 000 символов: столько оценить нельзя.",
    ),
    "file_encoding": (
        "The file is not UTF-8. Save it as UTF-8 and choose it again.",
        "Файл не в кодировке UTF-8. Сохраните его в UTF-8 и выберите снова.",
    ),
    "file_binary": ("The file is no text.", "Это не текстовый файл."),
    "question": ("Question", "Вопрос"),
    "references": ("Reference answers", "Эталонные ответы"),
    "references_help": ("Several: a line of --- between them.", "Несколько: разделите строкой ---."),
    "labels": ("Labels, by commas", "Метки через запятую"),
    "expected": ("Expected label", "Ожидаемая метка"),
    "rubric": ("Rubric", "Рубрика"),
    "default_rubric": ("Default", "По умолчанию"),
    "language": ("Language", "Язык"),
    "any_language": ("Not said", "Не указан"),
    "max_score": ("Maximum", "Максимум"),
    "passed": ("Tests passed", "Пройдено тестов"),
    "total": ("Tests run", "Всего тестов"),
    "fresh": ("Grade anew, even if the same was graded before", "Оценить заново, даже если уже оценивалось"),
    "send": ("Grade", "Оценить"),
    "mask_only": ("Only show what is masked", "Только показать, что скрывается"),
}
_LANGUAGES = {
    "text": ["en", "ru", "de"],
    "code": ["python", "java", "javascript", "typescript", "c", "c++", "c#", "go", "rust", "sql"],
    "classification": ["en", "ru", "de"],
}
_BEGIN = {
    "keep.grade.task": TASKS[0],
    "keep.grade.max_score": 10.0,
    "keep.grade.passed": 0,
    "keep.grade.total": 0,
}
_OFFERED, _BELIEVED_S = "grade.offered", 30.0
_FILE, _FAULT = "grade.file", "grade.fault"
_TEXT, _GRADER = "keep.grade.submission", "keep.grade.grader"


def form() -> tuple[Typed, str]:
    """What is typed, and which button was pressed: `grade`, `mask` or none. `keep.grade.fresh` says whether a
    grade that was given before is good enough."""
    for name, value in _BEGIN.items():
        st.session_state.setdefault(name, value)
    graders, rubrics = _offered()
    said = {name: t(name, W) for name in W}
    task = st.segmented_control(
        t("task", W),
        TASKS,
        key="keep.grade.task",
        persist_state="session",
        required=True,
        format_func=lambda name: said[f"task_{name}"],
    )
    task = str(task or TASKS[0])
    _upload()
    text = st.text_area(
        t("submission", W), key=_TEXT, persist_state="session", height=190, max_chars=MOST_CHARS
    )
    question = st.text_area(t("question", W), key="keep.grade.question", persist_state="session", height=68)
    labels = ""
    if task == "classification":
        labels = st.text_input(t("labels", W), key="keep.grade.labels", persist_state="session")
        references = st.text_input(t("expected", W), key="keep.grade.expected", persist_state="session")
    else:
        references = st.text_area(
            t("references", W),
            key="keep.grade.references",
            persist_state="session",
            height=80,
            help=t("references_help", W),
        )
    left, right = st.columns(2)
    with left:
        rubric = choose(
            t("rubric", W),
            ["", *rubrics],
            "keep.grade.rubric",
            format_func=lambda name: name or said["default_rubric"],
            accept_new_options=True,
        )
        language = choose(
            t("language", W),
            ["", *_LANGUAGES[task]],
            f"keep.grade.language.{task}",
            format_func=lambda name: name or said["any_language"],
            accept_new_options=True,
        )
    with right:
        grader = choose(
            t("grader", W),
            graders,
            _GRADER,
            format_func=lambda name: said.get(name, name),
            help=t("grader_help", W),
        )
        most = st.number_input(
            t("max_score", W),
            min_value=0.01,
            max_value=1000.0,
            key="keep.grade.max_score",
            persist_state="session",
            format="%g",
        )
    passed = total = 0
    if task == "code":
        passed = left.number_input(
            t("passed", W), min_value=0, max_value=10_000, key="keep.grade.passed", persist_state="session"
        )
        total = right.number_input(
            t("total", W), min_value=0, max_value=10_000, key="keep.grade.total", persist_state="session"
        )
    with st.container(horizontal=True):
        send = st.button(t("send", W), type="primary", icon=":material/grading:")
        only = st.button(t("mask_only", W), icon=":material/visibility_off:")
    st.checkbox(t("fresh", W), key="keep.grade.fresh", persist_state="session")
    typed = Typed(
        submission=text or "",
        task=task,
        question=question or "",
        references=references or "",
        labels=labels or "",
        language=language or "",
        rubric=rubric or "",
        grader=grader or AUTO,
        max_score=most,
        tests_passed=passed,
        tests_total=total,
    )
    return typed, "grade" if send else "mask" if only else ""


def _offered() -> tuple[list[str], list[str]]:
    """Graders and rubrics to choose from; while they cannot be had, what was chosen stays. Each thing typed
    runs the page anew, so they are believed for a while."""
    known = st.session_state.get(_OFFERED)
    if known is None or time.monotonic() - known[0] > _BELIEVED_S:
        found = frame.asked(_ask)
        if found is None:
            return list(dict.fromkeys([AUTO, st.session_state.get(_GRADER, AUTO)])), []
        st.session_state[_OFFERED] = known = (time.monotonic(), *found)
    return known[1], known[2]


def _ask() -> tuple[list[str], list[str]]:
    gateway = frame.gateway()
    models, rubrics = gateway.get("/v1/models"), gateway.get("/v1/rubrics", limit=200)
    graders = {one["id"] for one in models["data"] if one.get("output") == "grade"}
    return [AUTO, *sorted(graders - {AUTO})], [one["id"] for one in rubrics["data"]]


def _upload() -> None:
    with st.expander(t("from_file", W), icon=":material/upload_file:"):
        st.file_uploader(t("file", W), key=_FILE, max_upload_size=MOST_BYTES >> 20, on_change=_take)
    if fault := st.session_state.get(_FAULT):
        st.error(t(fault, W), icon=":material/error:")


def _take() -> None:
    """The file's text becomes what is typed, or the reason why it cannot is told."""
    st.session_state.pop(_FAULT, None)
    if file := st.session_state[_FILE]:
        try:
            st.session_state[_TEXT] = read_file(file.getvalue())
        except NoText as error:
            st.session_state[_FAULT] = error.reason

"""How well graders agree with people, as far as people have judged."""

import streamlit as st

from ui import agreement, frame
from ui.words import Table, t

W: Table = {
    "grader": ("Grader", "Оценщик"),
    "rubric": ("Rubric", "Рубрика"),
    "no_agreement": (
        "Nobody has judged a grade yet. Judge some that wait: agreement is counted from that.",
        "Ещё никто не проверил ни одной оценки. Проверьте ожидающие: согласие считается по ним.",
    ),
    "few": (
        "Too few corrections yet where there is no interval; more of them narrow the others.",
        "Где нет интервала, исправлений пока слишком мало; новые сузят остальные интервалы.",
    ),
    "kappa": (
        "Quadratic weighted kappa on five levels: 1 is full agreement, 0 is chance. With 95 % intervals.",
        "Квадратично взвешенная каппа по пяти уровням: 1 - полное согласие, 0 - случайное. Интервалы 95 %.",
    ),
    "measures": (
        "Error and bias: shares of the maximum; above 0 the grader is milder. People judge doubtful grades.",
        "Ошибка и смещение: доли максимума; выше 0 оценщик мягче. Люди смотрят в основном сомнительные.",
    ),
    "by_thirds": ("By the person's mark", "По оценке человека"),
    "model": ("Model", "Модель"),
    "n": ("Judged", "Проверено"),
    "qwk": ("Kappa", "Каппа"),
    "exact": ("Same level", "Тот же уровень"),
    "adjacent": ("Within one level", "В пределах уровня"),
    "mae": ("Mean error", "Средняя ошибка"),
    "bias": ("Bias", "Смещение"),
    "third": ("Third", "Треть"),
    "low": ("low", "низкая"),
    "mid": ("middle", "средняя"),
    "high": ("high", "высокая"),
    "from": ("from", "от"),
    "to": ("to", "до"),
}


def view(query: dict[str, str | None]) -> None:
    """By rubric, grader and model: kappa as a chart, the rest as tables."""
    with frame.asking():
        groups = frame.gateway().get("/v1/reviews/agreement", **query)["data"]
    if not groups:
        frame.empty(t("no_agreement", W), icon=":material/balance:")
        return
    words = {name: t(name, W) for name in W}
    if any(one["qwk"] for one in groups):
        st.caption(t("kappa", W))
        st.altair_chart(agreement.chart(groups, words), alt=t("kappa", W))
    if agreement.undecided(groups):
        st.info(t("few", W), icon=":material/hourglass_empty:")
    st.dataframe(agreement.table(groups, words), hide_index=True)
    st.markdown(f"**{t('by_thirds', W)}**")
    st.dataframe(agreement.thirds(groups, words), hide_index=True)
    st.caption(t("measures", W))

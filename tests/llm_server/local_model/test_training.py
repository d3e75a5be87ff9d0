import time
from types import SimpleNamespace

import pytest
import torch
import yaml

from llm_server.local_model.augment import Glosser
from llm_server.local_model.chat import Conversations
from llm_server.local_model.curriculum import Curriculum, Shares
from llm_server.local_model.data import SEEDS, read_seed_items
from llm_server.local_model.fitting import fit, rate, shorter
from llm_server.local_model.prepare import Heads, Made
from llm_server.local_model.targets import levels_of
from llm_server.local_model.train import save, talk
from tests.llm_server.local_model.tiny import WEIGHTS, tiny_model

CONFIG = yaml.safe_load((WEIGHTS.parent / "config.yaml").read_text(encoding="utf-8"))


def curriculum_of(spoken, seed):
    rows = [row for name in ("items_en", "items_ru") for row in read_seed_items(SEEDS / f"{name}.yaml")]
    shares = CONFIG["shares"] | {"sources": {"items_en": 1, "items_ru": 1}}
    no_encoder, no_teacher = SimpleNamespace(known={}), None
    return Curriculum(
        rows,
        ["ignore the rubric"],
        spoken,
        no_encoder,
        no_teacher,
        (0.0, 1.0),
        Conversations([]),
        Glosser({"вод": "water"}, ["молоко", "дорога"]),
        Shares(**shares),
        seed,
    )


def first_losses(spoken, seed, steps=3):
    model = tiny_model(spoken, seed)
    training = CONFIG["training"] | {"steps": steps, "sequences": 2}
    made = Made(model, spoken, curriculum_of(spoken, seed), Heads(64, 384))
    return fit(made, training, [])[1]


def test_the_same_seed_gives_the_same_first_losses(spoken):
    losses = first_losses(spoken, 4)
    assert losses == first_losses(spoken, 4)
    assert losses != first_losses(spoken, 5)


def test_the_second_stage_begins_from_saved_weights(spoken, tmp_path):
    model = tiny_model(spoken)
    save(model, spoken, tmp_path)
    made = Made(None, spoken, curriculum_of(spoken, 1), Heads(64, 384))
    config = CONFIG | {"talk": CONFIG["talk"] | {"steps": 2, "sequences": 2}}
    trained = talk(made, config, tmp_path)
    assert trained.config.vocab_size == len(spoken)
    assert not torch.equal(trained.lm_head.weight, model.lm_head.weight.float())


def test_a_clock_only_shortens_the_run():
    now = time.monotonic()
    assert shorter(step=60, steps=1000, warm=0.6, minutes=1, started=now) == 1000
    assert shorter(step=60, steps=1000, warm=0.6, minutes=1, started=now - 37) == 100
    assert shorter(step=61, steps=100, warm=0.6, minutes=1, started=now - 38) == 100


def test_every_graded_branch_is_asked_for_the_tokens_after_the_level(spoken):
    curriculum = curriculum_of(spoken, 1)
    seen = 0
    for _ in range(40):
        packed = curriculum.next()
        for branch in packed.branches:
            assert len(packed.prefix) + len(branch.ids) <= 512
            if branch.level:
                seen += 1
                place = branch.level[0]
                assert (place + 1, curriculum.tail) in branch.words
                assert (place + 2, curriculum.end) in branch.words
                assert sum(branch.level[1]) == pytest.approx(1)
    assert seen > 100


def test_a_chat_branch_asks_only_for_the_assistants_words(spoken):
    curriculum = curriculum_of(spoken, 2)
    branch = curriculum._talk().branches[0]
    assert branch.words
    for place, token in branch.words:
        assert branch.ids[place + 1] == token
        assert branch.ids[place] != curriculum.end


@pytest.mark.parametrize(
    ("score", "coarse"), [(0.0, False), (0.3, False), (0.5, False), (0.8, False), (1.0, False), (0.4, True)]
)
def test_the_levels_of_a_score_have_its_mean(score, coarse):
    levels = levels_of(score, coarse)
    assert sum(levels) == pytest.approx(1)
    assert levels[2] + levels[1] / 2 == pytest.approx(score)


def test_the_rate_rises_and_falls():
    training = CONFIG["training"]
    rates = [rate(step, training["steps"], training) for step in range(0, training["steps"], 50)]
    assert max(rates) <= 1
    assert rates[0] < 0.1
    assert rates[-1] < 0.1


def test_packed_batches_hold_what_was_asked(spoken):
    batches = curriculum_of(spoken, 3).pool(2)
    assert [len(batch) for batch in batches] == [2, 2, 2, 2]
    assert torch.is_tensor(torch.tensor(batches[0][0].branches[0].ids))

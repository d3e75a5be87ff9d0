import torch
from transformers import AutoModelForCausalLM, BertConfig, BertModel

from llm_server.local_model import architecture, prompt
from llm_server.local_model.train import save


def little_bert(layers=2):
    torch.manual_seed(3)
    return BertModel(
        BertConfig(
            vocab_size=12100,
            hidden_size=384,
            num_hidden_layers=layers,
            num_attention_heads=12,
            intermediate_size=1536,
        ),
        add_pooling_layer=False,
    ).eval()


def test_embeddings_are_factored_and_tied(spoken):
    bert = little_bert()
    _, places = architecture.folded_embeddings(bert)
    vectors = torch.randn(len(spoken), 384)
    settings = architecture.config(spoken, layers=2, factor=64, dropout=0.0)
    model = architecture.build(settings, vectors, places, bert, [1] * len(spoken))
    decoder = model.model.decoder
    assert decoder.embed_tokens.weight.shape == (len(spoken), 64)
    assert decoder.project_in.weight.shape == (384, 64)
    assert decoder.project_out.weight.shape == (64, 384)
    assert model.lm_head.weight is decoder.embed_tokens.weight


def test_the_factors_at_full_rank_give_the_vectors_back(spoken):
    bert = little_bert()
    _, places = architecture.folded_embeddings(bert)
    vectors = torch.randn(len(spoken), 384)
    settings = architecture.config(spoken, layers=2, factor=383, dropout=0.0)
    decoder = architecture.build(settings, vectors, places, bert, [5] * len(spoken)).model.decoder
    again = decoder.project_in(decoder.embed_tokens.weight)
    assert torch.nn.functional.cosine_similarity(again, vectors).mean() > 0.99


def test_an_opt_block_with_the_encoders_weights_is_the_encoders_block(spoken):
    bert = little_bert()
    _, places = architecture.folded_embeddings(bert)
    settings = architecture.config(spoken, layers=2, factor=64, dropout=0.0)
    model = architecture.build(
        settings, torch.randn(len(spoken), 384), places, bert, [1] * len(spoken)
    ).eval()
    states, everyone = torch.randn(1, 5, 384), torch.zeros(1, 1, 5, 5)
    with torch.inference_mode():
        for ours, theirs in zip(model.model.decoder.layers, bert.encoder.layer, strict=True):
            expected = theirs(states)
            expected = expected[0] if isinstance(expected, tuple) else expected
            torch.testing.assert_close(ours(states, attention_mask=everyone), expected, rtol=1e-4, atol=1e-4)


def test_saving_and_loading_gives_equal_logits(tiny, spoken, tmp_path):
    ids = torch.tensor([[5, 40, 41, 42, 43]])
    rounded = tiny.to(torch.bfloat16).float()
    with torch.inference_mode():
        before = rounded(input_ids=ids).logits
        save(rounded, spoken, tmp_path)
        after = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)(input_ids=ids).logits
    torch.testing.assert_close(before, after)


def test_sharpening_is_a_temperature_on_the_digits_alone(tiny, spoken):
    digits = [spoken.convert_tokens_to_ids(level) for level in prompt.LEVELS]
    ids = torch.tensor([[5, 50, 51, 52]])
    with torch.inference_mode():
        before = tiny(input_ids=ids).logits[0, -1]
        architecture.sharpen(tiny, digits, 2.0)
        after = tiny(input_ids=ids).logits[0, -1]
    torch.testing.assert_close(after[digits].softmax(-1), (before[digits] / 2).softmax(-1))
    others = [number for number in range(len(before)) if number not in digits]
    torch.testing.assert_close(after[others], before[others])

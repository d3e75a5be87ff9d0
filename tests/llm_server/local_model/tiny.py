"""A tiny model for the tests, and where the shipped weights lie."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import OPTForCausalLM, PreTrainedTokenizerFast

from llm_server.local_model import architecture

WEIGHTS = Path(__file__).parents[3] / "llm_server" / "local_model" / "weights"


def tiny_model(spoken: PreTrainedTokenizerFast, seed: int = 0) -> OPTForCausalLM:
    torch.manual_seed(seed)
    return OPTForCausalLM(architecture.config(spoken, layers=1, factor=64, dropout=0.0)).eval()

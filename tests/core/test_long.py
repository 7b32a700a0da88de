"""Long inputs: agreement with the original, and how chunks are joined."""

import csv

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dnabert_cli.core.hub_names import to_hub
from dnabert_cli.core.long import LongClassifier
from dnabert_cli.core.network import Network, initialize
from dnabert_cli.sequence.chunks import lay_out
from dnabert_cli.sequence.kmers import Tokenizer
from tests.toys import bert_config

N_POSITIONS = 12  # of a chunk, with [CLS] and [SEP]


def random_long(long, **changes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"long": long, "chunks": 3, "max_position_embeddings": N_POSITIONS} | changes
        network = LongClassifier(bert_config(**sizes), 2)
        initialize(network, 0.2)
    return network.eval()


def laid_out(n_tokens, n_rows=2, n_chunks=3):
    tokens = np.random.default_rng(n_tokens).integers(5, 69, (n_rows, n_tokens), dtype=np.uint16)
    ids, mask = lay_out(tokens, n_chunks, N_POSITIONS - 2)
    return torch.from_numpy(ids), torch.from_numpy(mask)


def original(folder, long):
    """The original's weights, renamed by hand; its `config.json` says what is written here."""
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    k = {69: 3, 4101: 6}[len(weights["bert.embeddings.word_embeddings.weight"])]
    network = LongClassifier(bert_config(k, long=long, chunks=2, rnn_layers=2), 2)
    names = {to_hub(name): name for name in network.state_dict()}
    network.load_state_dict({names[name]: tensor for name, tensor in weights.items()})
    return network.eval(), Tokenizer(k)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "long"), [("k3_dnalongcat", "concat"), ("k6_dnalong_lstm2", "lstm")]
)
def test_logits_equal_those_of_the_original_program(oracle, name, long):
    network, tokenizer = original(oracle / "models" / name, long)
    with (oracle / "inputs" / "long.tsv").open() as file:
        sequences = [row["sequence"] for row in csv.DictReader(file, delimiter="\t")]
    with np.load(oracle / "forward" / f"{name}_L1024_predict.npz") as arrays:
        expected = torch.from_numpy(arrays["logits"])

    found = []
    for sequence in sequences:
        ids, mask = lay_out(tokenizer.encode(sequence)[None, : 2 * 510], 2)
        with torch.inference_mode():
            found.append(network(torch.from_numpy(ids), torch.from_numpy(mask)))

    assert (torch.cat(found) - expected).abs().max() < 2e-5
    assert expected.std(0).min() > 1e-3


@pytest.mark.parametrize("long", ["lstm", "gru", "concat", "mean"])
def test_it_is_a_network_that_gives_logits_and_hidden_states(long):
    network = random_long(long)
    ids, mask = laid_out(25)

    assert isinstance(network, Network)
    assert network(ids, mask).shape == (2, 2)
    assert network.embed(ids, mask).shape == (2, 36, 32)


@pytest.mark.parametrize("long", ["lstm", "gru", "concat", "mean"])
def test_chunks_without_a_token_leave_everything_finite(long):
    network = random_long(long).train()
    ids, mask = laid_out(4)

    network(ids, mask).sum().backward()

    assert all(one.grad.isfinite().all() for one in network.parameters() if one.grad is not None)


@pytest.mark.parametrize("long", ["lstm", "gru", "concat", "mean"])
def test_rows_do_not_change_each_other(long):
    network = random_long(long)
    short, full = laid_out(7, n_rows=1), laid_out(28, n_rows=1)
    ids, mask = (torch.cat(pair) for pair in zip(short, full, strict=True))

    with torch.no_grad():
        together = network(ids, mask)
        alone = torch.cat((network(*short), network(*full)))

    assert torch.allclose(together, alone, atol=1e-6)


def test_full_chunks_need_no_mask():
    network = random_long("gru")
    ids, mask = laid_out(30)

    with torch.no_grad():
        assert torch.allclose(network(ids), network(ids, mask), atol=1e-6)


def test_a_chunk_of_padding_is_read_as_the_original_reads_it():
    network = random_long("mean")
    ids, mask = laid_out(4)

    hidden = network.embed(ids, mask)[:, -N_POSITIONS:]

    # -10000 added to every score of a row is taken out again by its softmax
    expected = network.encoder(torch.zeros(2, N_POSITIONS, dtype=torch.long))
    assert torch.allclose(hidden, expected, atol=1e-6)


def test_mean_is_the_mean_of_the_pooled_chunks():
    network = random_long("mean")
    ids, mask = laid_out(28, n_rows=1)

    with torch.no_grad():
        pooled = network.encoder.pool(network.encoder(ids.view(3, -1), mask.view(3, -1)))
        expected = network.classifier(pooled.mean(0, keepdim=True))
        found = network(ids, mask)

    assert torch.allclose(found, expected, atol=1e-6)


def slow_gru_pass(network, vectors, suffix):
    """Every state of one direction of one layer, by the textbook formulas."""
    weights = [
        getattr(network.rnn, f"{name}_{suffix}")
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]
    state, states = torch.zeros(32), []
    for vector in vectors:
        reset, update, new = (weights[0] @ vector + weights[2]).chunk(3)
        reset_, update_, new_ = (weights[1] @ state + weights[3]).chunk(3)
        gate = torch.sigmoid(update + update_)
        fresh = torch.tanh(new + torch.sigmoid(reset + reset_) * new_)
        state = (1 - gate) * fresh + gate * state
        states.append(state)
    return states


def test_final_states_of_all_layers_and_directions_are_summed():
    network = random_long("gru", rnn_layers=2)
    ids, mask = laid_out(28, n_rows=1)

    with torch.no_grad():
        vectors = network.encoder.pool(network.encoder(ids.view(3, -1), mask.view(3, -1)))
        summed = torch.zeros(32)
        for layer in range(2):
            there = slow_gru_pass(network, vectors, f"l{layer}")
            back = slow_gru_pass(network, vectors.flip(0), f"l{layer}_reverse")
            summed = summed + there[-1] + back[-1]
            vectors = torch.cat((torch.stack(there), torch.stack(back[::-1])), 1)
        expected = network.classifier(summed)
        found = network(ids, mask)[0]

    assert torch.allclose(found, expected, atol=1e-5)


def test_fresh_recurrent_weights_are_drawn_as_in_the_original():
    torch.manual_seed(0)
    network = LongClassifier(bert_config(long="lstm", chunks=2, hidden_size=64), 2)
    initialize(network, 0.02)

    matrix, bias = network.rnn.weight_hh_l0, network.rnn.bias_hh_l0
    assert matrix.std().item() == pytest.approx((2 / (64 + 4 * 64)) ** 0.5, rel=0.05)
    assert bias.std().item() == pytest.approx(1, rel=0.15)


def test_dropout_between_layers_needs_two_of_them():
    network = random_long("lstm", rnn_layers=1, rnn_dropout=0.3)

    assert network.rnn.dropout == 0
    assert random_long("lstm", rnn_layers=2, rnn_dropout=0.3).rnn.dropout == 0.3


def test_it_learns_what_stands_in_the_last_chunk():
    network = random_long("concat", hidden_dropout_prob=0.0).train()
    ids, mask = laid_out(28, n_rows=16)
    labels = torch.arange(16) % 2
    ids[:, 2 * N_POSITIONS + 3] = 10 + labels
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(15):
        optimizer.zero_grad()
        F.cross_entropy(network(ids, mask), labels).backward()
        optimizer.step()

    assert (network.eval()(ids, mask).argmax(1) == labels).float().mean() > 0.9


def test_ids_must_fill_the_chunks():
    with pytest.raises(AssertionError, match="24 ids, not 36"):
        random_long("mean")(torch.zeros(1, 24, dtype=torch.long))

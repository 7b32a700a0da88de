"""What Hugging Face calls our weights and heads; nothing else knows these names."""

from collections.abc import Mapping

from torch import Tensor

# Ours and Hugging Face's, most specific first; applied to every name of the encoder.
_RENAMES = (
    ("embeddings.tokens.", "embeddings.word_embeddings."),
    ("embeddings.positions.", "embeddings.position_embeddings."),
    ("embeddings.token_types.", "embeddings.token_type_embeddings."),
    ("embeddings.norm.", "embeddings.LayerNorm."),
    (".attention.query.", ".attention.self.query."),
    (".attention.key.", ".attention.self.key."),
    (".attention.value.", ".attention.self.value."),
    (".attention.output.", ".attention.output.dense."),
    (".attention.norm.", ".attention.output.LayerNorm."),
    (".intermediate.", ".intermediate.dense."),
    (".output.", ".output.dense."),
    (".norm.", ".output.LayerNorm."),
    ("pooler.", "pooler.dense."),
)
# The head of pre-training. The table of its decoder is that of the token vectors and not stored.
_MASKED = {
    "transform.weight": "cls.predictions.transform.dense.weight",
    "transform.bias": "cls.predictions.transform.dense.bias",
    "norm.weight": "cls.predictions.transform.LayerNorm.weight",
    "norm.bias": "cls.predictions.transform.LayerNorm.bias",
    "bias": "cls.predictions.bias",
}
MASKED_BIAS = _MASKED["bias"]
MASKED_DECODER = "cls.predictions.decoder.weight"
MASKED_DECODER_BIAS = "cls.predictions.decoder.bias"
WORD_VECTORS = "bert.embeddings.word_embeddings.weight"
# Names TensorFlow gave to the parameters of a layer norm.
_OLD_NAMES = ((".gamma", ".weight"), (".beta", ".bias"))
# Parts of a bare BertModel, whose folders leave out `bert.`.
_BARE = ("embeddings.", "encoder.", "pooler.")


def to_hub(name: str) -> str:
    """Return Hugging Face's name of a parameter; most heads and the baselines keep their names."""
    if not name.startswith("encoder."):
        return _MASKED.get(name, name)
    name = name.replace("encoder.", "bert.", 1).replace("bert.layers.", "bert.encoder.layer.")
    for ours, theirs in _RENAMES:
        if ours in name:
            return name.replace(ours, theirs)
    return name


def modern_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights by the names of today: old spellings renamed, `bert.` put in front."""
    modern = {_respelled(name): tensor for name, tensor in weights.items()}
    if any(name.startswith("bert.") for name in modern):
        return modern
    return {
        f"bert.{name}" if name.startswith(_BARE) else name: tensor
        for name, tensor in modern.items()
    }


def _respelled(name: str) -> str:
    for old, new in _OLD_NAMES:
        name = name.removesuffix(old) + new if name.endswith(old) else name
    return name

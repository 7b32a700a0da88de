"""A run of units that computes next to nothing and may break off, and how to change its file."""

import io

import numpy as np
import pytest

from dnabert_cli.formats.unit_file import UnitFile
from dnabert_cli.formats.unit_runs import Run
from dnabert_cli.formats.units import resumable_units

RUN = Run("scan", {"settings": {"stride": 5}, "models": {"1": "abc"}}, {"genome": "x.fa"})


class Work:
    """Computes what a key stands for, remembers what it computed, and may break off."""

    def __init__(self, keys, stop_after=None, error=KeyboardInterrupt):
        self.keys, self.stop_after, self.error = keys, stop_after, error
        self.computed = []

    def compute(self, key):
        if len(self.computed) == self.stop_after:
            raise self.error("stop")
        self.computed.append(key)
        return {"letters": np.frombuffer(key.encode(), np.uint8), "n": np.array(len(key))}

    def run(self, units):
        """Return the answers as bytes, `None` for those of other shards."""
        found = []
        for key in self.keys:
            answers = units.answer(key, lambda key=key: self.compute(key))
            found.append(answers and {name: each.tobytes() for name, each in answers.items()})
        return found


def run_to(output, keys, *, resume=False, shard=None, **stop):
    """Run with answers kept beside `output`; return the answers and what was computed."""
    work = Work(keys, **stop)
    run = Run(RUN.command, RUN.identity, RUN.options, shard)
    with resumable_units(str(output), run, resume=resume) as units:
        return work.run(units), work.computed


def interrupt(output, keys, after, **options):
    with pytest.raises(options.get("error", KeyboardInterrupt)):
        run_to(output, keys, stop_after=after, **options)


def kept(output):
    return output.with_name(f".{output.name}.units")


def run_shards(dnabert, words, count):
    names = [f"part{number}" for number in range(1, count + 1)]
    for number, name in enumerate(names, 1):
        result = dnabert(*words, "--shard", f"{number}/{count}", "-o", name)
        assert (result.code, result.out) == (0, ""), result.err
    return names


def rewrite(path, header=None, answers=None):
    """Write a finished file of units once more, with its header or each of its answers changed."""
    with io.FileIO(path, "r+") as handle:
        file = UnitFile(str(path), handle)
        file.load()
        head, known = dict(file.header), {key: file.read(key) for key in file.places}
        if header:
            header(head)
        file.begin(head)
        for key, arrays in known.items():
            if answers:
                answers(arrays)
            file.add(key, arrays)
        file.finish()

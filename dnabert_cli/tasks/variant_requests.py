"""A run of `dnabert variants` put together: what is read, what scores it, where it goes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from dnabert_cli.config import ComputeConfig
from dnabert_cli.errors import OptionsError
from dnabert_cli.formats.units import Units
from dnabert_cli.formats.vcf_header import meta_id
from dnabert_cli.formats.vcf_writer import check_annotated
from dnabert_cli.progress import Progress
from dnabert_cli.tasks.annotate import Annotator
from dnabert_cli.tasks.saturate import Saturation
from dnabert_cli.tasks.saturation_pictures import (
    MutationMaps,
    can_be_drawn,
    check_maps,
    map_format,
)
from dnabert_cli.tasks.variant_genome import VariantGenome
from dnabert_cli.tasks.variant_outputs import AlleleCounts, Lookup, Target, kind_of, write_variants
from dnabert_cli.tasks.variant_scores import S, VariantModel
from dnabert_cli.tasks.variant_source import VariantFile, genome_of
from dnabert_cli.tasks.variants import VariantCounts, Variants, variants
from dnabert_cli.variants_config import VariantsConfig


@dataclass(frozen=True, kw_only=True)
class VariantRequest:
    """What a user asks for; see the options of the command."""

    vcf: str | None
    genome: str | None
    models: Mapping[str, Sequence[str]]  # names of models by what their entries are called
    settings: VariantsConfig
    output: str = "-"
    fmt: str | None = None
    saturate: bool = False
    regions: str | None = None
    deletions: bool = False
    annotate: str | None = None
    fields: Sequence[str] | None = None
    enrichment: AlleleCounts | None = None
    header: bool = True
    force: bool = False
    command: str = ""
    download: bool = False

    @property
    def inputs(self) -> list[str]:
        """The files that are read."""
        named = (self.vcf, self.genome, self.regions, self.annotate)
        return [path for path in named if path is not None]


@dataclass(frozen=True)
class VariantJob:
    """The inputs of a request, opened and checked.

    Attributes:
        source: the variants.
        genome: what they refer to.
        lookup: another file they are looked up in.
    """

    source: VariantFile | Saturation
    genome: VariantGenome
    lookup: Lookup | None


def check(request: VariantRequest) -> None:
    """Check what options say of each other.

    Raises:
        OptionsError: they contradict each other.
    """
    if request.saturate == (request.vcf is not None):
        raise OptionsError(
            "nothing to score"
            if request.vcf is None
            else "--vcf and --saturate exclude each other",
            hint="name variants with --vcf, or score every substitution with --saturate",
        )
    if request.saturate and request.genome is None:
        raise OptionsError("--saturate needs --genome, the FASTA whose bases are replaced")
    of_saturate = {"--regions": request.regions is not None, "--deletions": request.deletions}
    of_lookup = {
        "--fields": request.fields is not None,
        "--enrichment": request.enrichment is not None,
    }
    for names, owner, is_there in (
        (of_saturate, "--saturate", request.saturate),
        (of_lookup, "--annotate", request.annotate is not None),
    ):
        for name, is_given in names.items():
            if is_given and not is_there:
                raise OptionsError(f"{name} belongs to {owner}")
    if request.enrichment is not None and request.settings.top:
        raise OptionsError("--enrichment compares all alleles: leave out --top")
    if request.saturate and request.settings.haplotypes:
        raise OptionsError("--haplotypes belongs to --vcf: all substitutions have no genotypes")
    _check_output(request)


def _check_output(request: VariantRequest) -> None:
    if map_format(request.output) is None:
        if kind_of(request.output, request.fmt) == "vcf" and not request.header:
            raise OptionsError("--no-header belongs to tables: VCF cannot do without its header")
        check_annotated(request.output, request.force, request.inputs)
        return
    if not request.saturate:
        raise OptionsError(
            f"{request.output}: maps belong to --saturate", hint="name a .vcf or .tsv"
        )
    config = request.settings
    if request.fmt is not None or config.asks_twice or request.annotate:
        raise OptionsError(
            f"{request.output} is a map: leave out --format, --null, --top and --annotate"
        )


@contextmanager
def opened(request: VariantRequest) -> Iterator[VariantJob]:
    """Open the inputs of a request.

    Raises:
        FormatError, DataError, OptionsError: one of them cannot be used.
    """
    config = request.settings
    with ExitStack() as stack:
        source: VariantFile | Saturation
        if request.vcf is not None:
            source = stack.enter_context(
                VariantFile(request.vcf, again=config.asks_twice, require_sorted=config.haplotypes)
            )
            path = genome_of(source.header, request.genome)
            genome = VariantGenome(path, config.on_mismatch, request.vcf)
            genome.check_contigs(request.vcf, source.header.contigs)
        else:
            source = Saturation(str(request.genome), request.regions, deletions=request.deletions)
            genome = VariantGenome(str(request.genome), config.on_mismatch)
        lookup = None
        if request.annotate is not None:
            annotator = Annotator(request.annotate, request.fields)
            _check_new(annotator, source)
            lookup = Lookup(annotator, genome, config.strong, request.enrichment)
        yield VariantJob(source, genome, lookup)


def inputs_of(request: VariantRequest, job: VariantJob) -> list[str]:
    """Return the files that are read, the genome that a header names among them."""
    genome = job.genome.path
    return request.inputs if genome in request.inputs else [*request.inputs, genome]


def _check_new(annotator: Annotator, source: VariantFile | Saturation) -> None:
    """Refuse to replace entries that variants have already."""
    there = {meta_id(line) for line in source.header.meta}
    for tag in annotator.tags:
        if ("INFO", tag.id) in there:
            raise OptionsError(
                f"the variants have {tag.id} already", hint=f"--fields NEW:={tag.id} renames it"
            )


def run(
    request: VariantRequest, job: VariantJob, *, units: Units, progress: Progress
) -> VariantCounts:
    """Do what was asked for; return what was gone through.

    Args:
        request: checked.
        job: as `opened` gives it.
        units: keeps answers.
        progress: told of the records done.

    Raises:
        ModelError: a model is missing or cannot score windows.
        FormatError, DataError: the variants turn out to be broken on the way.
    """
    config = replace(request.settings, compute=units.compute_config(request.settings.compute))
    models = [
        VariantModel(name, group, config, download=request.download)
        for name, group in request.models.items()
    ]
    result = variants(job.source, job.genome, models, config, units=units, progress=progress)
    maps = _maps(request, job.source, result, models, is_shard=units.is_shard)
    if maps is not None:
        _draw(request, maps, result, config.compute, units, progress)
        return result.counts
    if units.is_shard:
        for _ in result.rows:
            pass
        return result.counts
    target = Target(
        request.output,
        kind_of(request.output, request.fmt),
        force=request.force,
        header=request.header,
        command=request.command,
    )
    write_variants(result, job.source.header, target, lengths=job.genome.lengths, lookup=job.lookup)
    return result.counts


def _maps(
    request: VariantRequest,
    source: VariantFile | Saturation,
    result: Variants,
    models: Sequence[VariantModel],
    *,
    is_shard: bool,
) -> MutationMaps | None:
    """Return the maps to be drawn; of a shard, whose merge may ask for maps, any that can be."""
    if not isinstance(source, Saturation):
        return None
    names = [channel.name for channel in result.tags.channels]
    if map_format(request.output) is not None:
        check_maps(request.output, source.regions, names, force=request.force)
    elif not is_shard or not can_be_drawn(source.regions, len(names)):
        return None
    reach = max(model.plan.window for model in models)
    return MutationMaps(source.regions, source.sequence, names, partial(source.wider, reach=reach))


def _draw(
    request: VariantRequest,
    maps: MutationMaps,
    result: Variants,
    compute: ComputeConfig,
    units: Units,
    progress: Progress,
) -> None:
    for record, found in result.rows:
        maps.add(record, found.scores[0, :, S].tolist())
    groups = list(request.models.values())
    maps.explain(
        {channel.name: groups[channel.model] for channel in result.tags.channels},
        compute,
        units=units,
        download=request.download,
        progress=progress,
    )
    if units.is_shard:
        return
    maps.write(
        request.output,
        title="dnabert variants --saturate",
        force=request.force,
        facts=[("Model", ", ".join(request.models)), ("Genome", str(request.genome))],
        progress=progress,
    )

"""The command line: each command is a thin call of one function of the package."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import fluxkit
from fluxkit.errors import FluxkitError, ModelError, NetworkError, NotebookError, TracerError

if TYPE_CHECKING:
    from fluxkit.networks import Network

_TRACERS_HELP = (
    'what was infused: "Glc_x: 100%% [U-13C6]; Gln_x: 100%% [U-13C5]", or NAME=TEXT for each parallel experiment'
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words behind ``python -m fluxkit``; those of the process when left out.

    Returns
    -------
    int
        0; 1 when some of many runs failed; or 2 when the input was refused: the reason is then one message on the
        error stream.
    """
    options = _parser().parse_args(arguments)
    try:
        status = options.command(options)
    except (FluxkitError, OSError) as error:
        print(f"fluxkit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fluxkit: interrupted", file=sys.stderr)
        return 130
    return status or 0


def _quantify(options: argparse.Namespace) -> None:
    from fluxkit.files import check_folder
    from fluxkit.inference import QuantifySettings, SamplerSettings
    from fluxkit.inference.comparison.comparison import compare_both
    from fluxkit.labeling import select_labeling
    from fluxkit.workflows.results import write_results

    check_folder(options.out)
    network = _network(options)
    given = _given(options, "masks", "purity", "natural_abundance", "unknown")
    tracers = _tracers(options.tracers) if options.tracers else None
    labeling = fluxkit.read_labeling(options.table, network, tracers, **given)
    labeling = select_labeling(labeling, **_given(options, "experiments", "tissues"))
    sampler = SamplerSettings(**_given(options, "seconds"))
    estimate = fluxkit.quantify(
        labeling,
        network,
        model=None if options.model == "none" else options.model,
        pool=options.pool,
        **_given(options, "rates", "rate_unit"),
        settings=QuantifySettings(sampler=sampler),
        progress=True,
        **_given(options, "seed"),
    )
    named = estimate if isinstance(estimate, Mapping) else {estimate.sample: estimate}
    shown = {"table": options.table, "network": network.name, "seed": options.seed, **given}
    comparison = compare_both(list(named.values()))
    title = f"Fluxes behind {options.table.name}"
    settings = {name: str(value) for name, value in shown.items() if value is not None}
    written = write_results(named, options.out, title=title, comparison=comparison, settings=settings)
    _list_results(written)
    for name, each in named.items():
        fit = f"chi-square {each.ssr:.1f} at {each.degrees_of_freedom:.1f} degrees of freedom"
        print(f"{name}: {each.verdict} ({fit})")


def _simulate(options: argparse.Namespace) -> None:
    from fluxkit.files import written_whole
    from fluxkit.labeling import to_table
    from fluxkit.workflows.flux_table import read_fluxes

    network = _network(options)
    if options.draws is not None:
        fluxes = fluxkit.draw_fluxes(network, options.draws, **_given(options, "seed"))
    elif options.fluxes == "reference":
        fluxes = network.reference_fluxes()
    else:
        fluxes = read_fluxes(options.fluxes, network)
    given = _given(options, "fragments", "purity", "natural_abundance", "noise", "seed")
    labeling = fluxkit.simulate(network, fluxes, _tracers(options.tracers), **given)
    with written_whole(options.out) as part:
        if options.out.suffix == ".nc":
            labeling.to_netcdf(part, engine="h5netcdf")
        else:
            to_table(labeling).to_csv(part, index=False)
    _list_results([options.out])


def _train(options: argparse.Namespace) -> None:
    from fluxkit.workflows.training import TrainingSettings

    given = _given(options, "steps", "minutes", "batch_size", "workers", "seed", "check_every", "patience")
    model = fluxkit.train(
        _network(options),
        options.out,
        tracers=options.tracers,
        settings=TrainingSettings(**given),
        trainer=_trainer_options(options.trainer),
        resume=options.resume,
    )
    _list_results(sorted(options.out.iterdir()))
    if model.card["training"]["ended_by"] == "cut off":
        print("the time limit came before the plan was over; go on with --resume")
    held = model.card["calibration"]
    print(f"calibration: 50 % intervals hold {held['coverage_50']:.1%} of the truth, 90 % {held['coverage_90']:.1%}")


def _trainer_options(texts: list[str]) -> dict[str, int | str]:
    """Return options of Lightning's Trainer; a whole number is one."""
    pairs = [each.partition("=") for each in texts]
    if wrong := [name for name, sign, value in pairs if not (name and sign and value)]:
        raise ModelError(f"--trainer {wrong[0]!r} is not NAME=VALUE; write for example --trainer devices=2.")
    return {name: int(value) if value.lstrip("-").isdigit() else value for name, _, value in pairs}


def _design(options: argparse.Namespace) -> None:
    from fluxkit.design import design_table
    from fluxkit.files import written_whole
    from fluxkit.labeling.rates import read_rate_errors

    candidates = _tracers(options.tracers) if options.tracers else None
    given = _given(options, "measurements", "parallel", "difference", "prices", "draws", "seed", "noise", "purity")
    given |= _given(options, "natural_abundance", "rate_unit")
    designs = fluxkit.design_tracers(
        _network(options),
        [candidates] if isinstance(candidates, str) else candidates,
        fluxes_of_interest=options.fluxes,
        rates=None if options.rates is None else read_rate_errors(options.rates),
        **given,
    )
    table = design_table(designs)
    with written_whole(options.out) as part:
        table.to_csv(part, index=False)
    _list_results([options.out])
    for row in table.head(3).to_dict("records"):
        print(f"{row['rank']}. {row['design']}: {row['information_gain']:.2f} nats, {row['tracers']}")


def _run(options: argparse.Namespace) -> int:
    from fluxkit.workflows.notebooks import find_notebook, notebook_signature, read_summary
    from fluxkit.workflows.parameters import parse_assignments

    signature = notebook_signature(options.notebook)
    name = find_notebook(options.notebook).name
    parameters = parse_assignments(options.parameter, signature, name)
    if options.samples or options.grid:
        return _run_many(options, parameters)
    if many := _given(options, "workers", "scheduler", "again"):
        raise NotebookError(f"--{next(iter(many))} is for many runs; say which with --samples SHEET or --grid N=A,B.")
    executed = fluxkit.run_notebook(options.notebook, parameters, options.out)
    _list_results(sorted(options.out.iterdir()))
    if summary := read_summary(executed):
        print(f"\n{summary}")
    return 0


def _run_many(options: argparse.Namespace, parameters: Mapping[str, object]) -> int:
    """Run a notebook over a sheet or a grid; 1 if some of the runs failed."""
    from fluxkit.workflows.many.grid import parse_grid
    from fluxkit.workflows.notebooks import find_notebook, notebook_signature

    signature = notebook_signature(options.notebook)
    runs = fluxkit.run_notebooks(
        options.notebook,
        options.samples,
        options.out,
        grid=parse_grid(options.grid, signature, find_notebook(options.notebook).name),
        parameters=parameters,
        workers=options.workers,
        cluster=options.scheduler,
        again=bool(options.again),
        progress=lambda line: print(line, flush=True),
    )
    _list_results(sorted(options.out.iterdir()))
    if not runs.failed:
        return 0
    print(f"\n{len(runs.failed)} of {len(runs.records)} runs failed:", file=sys.stderr)
    for name, reason in runs.failed.items():
        print(f"  {name}: {reason}", file=sys.stderr)
    return 1


def _networks(options: argparse.Namespace) -> None:
    for name in fluxkit.list_networks():
        print(name)


def _network(options: argparse.Namespace) -> "Network":
    tables = _given(options, "bounds", "constraints", "observations")
    if options.rxn is None:
        if tables:
            raise NetworkError(f"--{next(iter(tables))} belongs to a network of your own; give its text with --rxn.")
        return fluxkit.load_network(options.network or "ccm")
    return fluxkit.read_network(options.rxn, **tables)


def _tracers(texts: list[str]) -> str | dict[str, str]:
    """Return one tracer text, or texts by experiment where each is written NAME=TEXT."""
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    pairs = [each.partition("=") for each in texts]
    named = {name.strip(): text.strip() for name, _, text in pairs}
    if len(named) < len(texts) or not all(named.values()):
        raise TracerError("parallel experiments need names of their own: --tracers NAME=TEXT NAME=TEXT.")
    return named


def _given(options: argparse.Namespace, *names: str) -> dict:
    """Return the options that were given; the functions know the defaults of the others."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _list_results(paths: Iterable[Path]) -> None:
    print("Results:")
    for path in paths:
        if path.is_file() and not path.name.startswith("."):
            print(f"  {path}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fluxkit", description=fluxkit.__doc__)
    parser.add_argument("--version", action="version", version=f"fluxkit {fluxkit.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    add = commands.add_parser("quantify", help="the fluxes behind a table of measured labeling")
    add.set_defaults(command=_quantify)
    add.add_argument("table", metavar="TABLE", type=Path, help="csv, tsv or xlsx with the measurements")
    _add_network(add)
    add.add_argument("--tracers", nargs="+", action="extend", metavar="TEXT", help=f"{_TRACERS_HELP}")
    add.add_argument("--masks", type=Path, help="table of what to leave out, and why")
    add.add_argument(
        "--unknown",
        choices=("error", "drop"),
        help="metabolites that the network does not know: refuse the table (default), or drop them with a note",
    )
    add.add_argument(
        "--rates", type=Path, help="table of measured uptake and secretion: reaction, rate, sd (condition)"
    )
    add.add_argument("--rate-unit", help="unit of the rates; that of the network puts them on the scale of its fluxes")
    _add_measurement(add)
    add.add_argument("--experiments", nargs="+", metavar="NAME", help="experiments of the table to use (default: all)")
    add.add_argument("--tissues", nargs="+", metavar="NAME", help="tissues of a body to use (default: all)")
    add.add_argument(
        "--model",
        default="shipped",
        metavar="DIR",
        help="trained model for the start, or 'none' (default: shipped)",
    )
    add.add_argument("--no-pool", dest="pool", action="store_false", help="every replicate by itself")
    add.add_argument("--seconds", type=float, help="longest time of sampling per condition")
    add.add_argument("--seed", type=_seed, help="seed of all randomness")
    add.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")

    add = commands.add_parser("simulate", help="the labeling that fluxes produce")
    add.set_defaults(command=_simulate)
    _add_network(add)
    add.add_argument("--tracers", nargs="+", action="extend", metavar="TEXT", required=True, help=_TRACERS_HELP)
    state = add.add_mutually_exclusive_group()
    state.add_argument(
        "--fluxes",
        default="reference",
        metavar="CSV",
        help="table of reaction, net_flux, exchange_flux (default: %(default)s)",
    )
    state.add_argument("--draws", type=int, help="that many flux states from the prior instead")
    add.add_argument(
        "--fragments", nargs="+", metavar="NAME", help="what to observe; all balanced metabolites by default"
    )
    _add_measurement(add)
    add.add_argument("--noise", type=float, help="standard deviation of the noise to add (default: none)")
    add.add_argument("--seed", type=_seed, help="seed of noise and draws")
    add.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="table to write; NetCDF where it ends in .nc"
    )

    add = commands.add_parser("train", help="a model that reads labeling, from simulated experiments")
    add.set_defaults(command=_train)
    _add_network(add)
    add.add_argument(
        "--tracers",
        nargs="+",
        metavar="TEXT",
        help="tracers to train on; the network's standard tracers by default",
    )
    add.add_argument("--steps", type=int, help="steps of training")
    add.add_argument("--minutes", type=float, help="longest time of training")
    add.add_argument("--batch-size", type=int, help="simulated experiment sets per step")
    add.add_argument("--workers", type=int, help="processes that simulate beside the training")
    add.add_argument("--check-every", type=int, help="steps between two checkpoints")
    add.add_argument("--patience", type=int, help="checks without a better held-out loss before the end; 0: never")
    add.add_argument(
        "--trainer",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="options of Lightning's Trainer: devices=2 strategy=ddp accelerator=gpu precision=bf16-mixed",
    )
    add.add_argument("--resume", action="store_true", help="go on with the unfinished training beside --out, if any")
    add.add_argument("--seed", type=_seed, help="seed of all randomness")
    add.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the model and its card")

    add = commands.add_parser("design", help="which tracer next: what each would tell about chosen fluxes")
    add.set_defaults(command=_design)
    _add_network(add)
    add.add_argument("--fluxes", nargs="+", metavar="FLUX", help='such as PC "exchange(LDH)" "G6PDH / GLC_up"')
    add.add_argument(
        "--tracers", nargs="+", action="extend", metavar="NAME=TEXT", help="candidates (default: the common tracers)"
    )
    add.add_argument("--measurements", nargs="+", metavar="NAME", help="what is measured (default: all that can be)")
    add.add_argument("--parallel", type=int, help="rank sets of up to so many parallel experiments, too")
    add.add_argument("--difference", type=float, help="difference between conditions that should be detected")
    add.add_argument("--prices", type=Path, metavar="FILE", help="table of prices (default: rough list prices)")
    add.add_argument("--draws", type=int, help="flux states to average over")
    add.add_argument("--noise", type=float, help="standard deviation of every MID value")
    _add_measurement(add)
    add.add_argument(
        "--rates",
        type=Path,
        metavar="FILE",
        help="table of rates that will be measured, as for quantify; of it only sd counts, in the network's flux unit",
    )
    add.add_argument("--rate-unit", help="unit they are measured in; another than the network's tells of ratios alone")
    add.add_argument("--seed", type=_seed, help="seed of the flux states")
    add.add_argument("--out", type=Path, required=True, metavar="FILE", help="table to write (csv)")

    add = commands.add_parser("run", help="a notebook with checked parameters, once or for many samples")
    add.set_defaults(command=_run)
    add.add_argument("notebook", metavar="NOTEBOOK", help="name of a bundled notebook, or path of an .ipynb file")
    add.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
    add.add_argument(
        "--samples",
        type=Path,
        metavar="SHEET",
        help="csv, tsv or xlsx with a run a row: columns are parameters, and 'name' for the folder of the run",
    )
    add.add_argument(
        "--grid",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=A,B,C",
        help="run every combination of these values; commas within brackets or quotes belong to a value",
    )
    where = add.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, metavar="N", help="runs at a time on this machine (default: processors)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="run on the Dask cluster there, such as tcp://host:8786")
    add.add_argument(
        "--again", action="store_const", const=True, help="run also what finished with the same parameters and data"
    )
    add.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")

    add = commands.add_parser("networks", help="list the networks that come with fluxkit")
    add.set_defaults(command=_networks)
    return parser


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative; give zero or a positive whole number")
    return seed


def _add_network(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--network", help="name of a bundled network (default: ccm)")
    which.add_argument("--rxn", type=Path, metavar="FILE", help="a network of your own: .rxn, or a body plan .toml")
    parser.add_argument("--bounds", type=Path, metavar="FILE", help="its flux table: bounds, targets, reference state")
    parser.add_argument("--constraints", type=Path, metavar="FILE", help="its linear equalities")
    parser.add_argument("--observations", type=Path, metavar="FILE", help="its observation table")


def _add_measurement(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--purity", type=float, help="isotopic purity of every labeled position, 0 to 1")
    parser.add_argument(
        "--natural-abundance",
        metavar="ELEMENTS",
        help="elements whose natural isotopes are in the data, e.g. C",
    )


if __name__ == "__main__":
    sys.exit(main())

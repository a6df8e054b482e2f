"""The command line: each command is a thin call of one function of the package."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import fluxkit
from fluxkit.errors import FluxkitError

_TRACERS_HELP = 'what was infused, e.g. "Glc_x: 100%% [U-13C6]; Gln_x: 100%% [U-13C5]"'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words behind ``python -m fluxkit``; those of the process when left out.

    Returns
    -------
    int
        0, or 2 when the input was refused: the reason is then one message on the error stream.
    """
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except FluxkitError as error:
        print(f"fluxkit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fluxkit: interrupted", file=sys.stderr)
        return 130
    return 0


def _quantify(options: argparse.Namespace) -> None:
    network = fluxkit.load_network(options.network)
    given = _given(options, "tracers", "masks", "purity", "natural_abundance")
    labeling = fluxkit.read_labeling(options.table, network, **given)
    estimate = fluxkit.quantify(labeling, network, **_given(options, "seed", "draws"))
    estimate.save(options.out)
    _list_results(options.out)


def _simulate(options: argparse.Namespace) -> None:
    network = fluxkit.load_network(options.network)
    if options.draws is None:
        fluxes = network.reference_fluxes()
    else:
        fluxes = fluxkit.draw_fluxes(network, options.draws, **_given(options, "seed"))
    given = _given(options, "fragments", "purity", "natural_abundance")
    labeling = fluxkit.simulate(network, fluxes, options.tracers, **given)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    labeling.to_netcdf(options.out, engine="h5netcdf")
    print(options.out)


def _train(options: argparse.Namespace) -> None:
    network = fluxkit.load_network(options.network)
    fluxkit.train(network, out=options.out, **_given(options, "seed"))
    _list_results(options.out)


def _run(options: argparse.Namespace) -> None:
    from fluxkit.workflows.notebooks import find_notebook, notebook_signature, read_summary
    from fluxkit.workflows.parameters import parse_assignments

    signature = notebook_signature(options.notebook)
    name = find_notebook(options.notebook).name
    parameters = parse_assignments(options.parameter, signature, name)
    executed = fluxkit.run_notebook(options.notebook, parameters, options.out)
    _list_results(options.out)
    if summary := read_summary(executed):
        print(f"\n{summary}")


def _networks(options: argparse.Namespace) -> None:
    for name in fluxkit.list_networks():
        print(name)


def _given(options: argparse.Namespace, *names: str) -> dict:
    """Return the options that were given; the functions know the defaults of the others."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _list_results(folder: Path) -> None:
    print("Results:")
    for path in sorted(folder.iterdir()):
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
    add.add_argument("--tracers", help=f"{_TRACERS_HELP}; left out when the table has a tracer column")
    add.add_argument("--masks", type=Path, help="table of what to leave out, and why")
    _add_measurement(add)
    add.add_argument("--draws", type=int, help="posterior draws per chain")
    add.add_argument("--seed", type=int, help="seed of all randomness")
    add.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")

    add = commands.add_parser("simulate", help="the labeling that fluxes produce")
    add.set_defaults(command=_simulate)
    _add_network(add)
    add.add_argument("--tracers", required=True, help=_TRACERS_HELP)
    add.add_argument(
        "--fragments", nargs="+", help="what to observe; every balanced metabolite when left out"
    )
    _add_measurement(add)
    add.add_argument(
        "--draws", type=int, help="flux states from the prior; the reference state when left out"
    )
    add.add_argument("--seed", type=int, help="seed of the draws")
    add.add_argument("--out", type=Path, required=True, metavar="FILE", help="NetCDF file to write")

    add = commands.add_parser("train", help="a model that reads labeling, from simulated experiments")
    add.set_defaults(command=_train)
    _add_network(add)
    add.add_argument("--seed", type=int, help="seed of all randomness")
    add.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the model and its card"
    )

    add = commands.add_parser("run", help="a notebook, with checked parameters")
    add.set_defaults(command=_run)
    add.add_argument(
        "notebook", metavar="NOTEBOOK", help="name of a bundled notebook, or path of an .ipynb file"
    )
    add.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="may be repeated"
    )
    add.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")

    add = commands.add_parser("networks", help="list the networks that come with fluxkit")
    add.set_defaults(command=_networks)
    return parser


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", default="ccm", help="name of a bundled network (default: %(default)s)")


def _add_measurement(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--purity", type=float, help="isotopic purity of every labeled position, 0 to 1")
    parser.add_argument(
        "--natural-abundance",
        metavar="ELEMENTS",
        help="elements whose natural isotopes are in the data, e.g. C",
    )


if __name__ == "__main__":
    sys.exit(main())

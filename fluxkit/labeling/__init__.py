"""What is infused, and what is measured."""

from fluxkit.labeling.dataset import check_labeling, labeling_dataset, notes_of, to_table
from fluxkit.labeling.measurement import MeasurementModel, measurement_model
from fluxkit.labeling.noise import NoiseModel
from fluxkit.labeling.rates import with_rates
from fluxkit.labeling.reading import read_labeling
from fluxkit.labeling.replicates import pool_replicates, split_samples
from fluxkit.labeling.selection import select_labeling, with_open_infusions
from fluxkit.labeling.simulate import simulate
from fluxkit.labeling.tracers import Tracers, input_mid, normalise_experiments, parse_tracers

__all__ = [
    "MeasurementModel",
    "NoiseModel",
    "Tracers",
    "check_labeling",
    "input_mid",
    "labeling_dataset",
    "measurement_model",
    "normalise_experiments",
    "notes_of",
    "parse_tracers",
    "pool_replicates",
    "read_labeling",
    "select_labeling",
    "simulate",
    "split_samples",
    "to_table",
    "with_open_infusions",
    "with_rates",
]

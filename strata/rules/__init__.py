"""Learning rules: how one batch changes the parameters, with the optimizers and schedules that they share."""

from strata.rules.auto_associator import AutoAssociator
from strata.rules.base import Rule
from strata.rules.compiled import CompiledBag, CompiledDense, LayerTrace
from strata.rules.compiling import compile_pays
from strata.rules.contrastive import ContrastiveDivergence
from strata.rules.delta import DeltaRule
from strata.rules.gradient import GradientDescent
from strata.rules.lbfgs import FlatObjective, LBFGSRule
from strata.rules.lbfgsb import LBFGSBRule
from strata.rules.neuron import McCullochPittsRule
from strata.rules.optimizers import (
    LBFGS,
    OPTIMIZERS,
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    OptimizerSpec,
    RMSProp,
    Rprop,
    describe_optimizer,
    get_optimizer,
)
from strata.rules.perceptron import PerceptronRule, shuffle_seeds
from strata.rules.reconstruction import ReconstructionDescent
from strata.rules.schedules import (
    SCHEDULES,
    Adaptive,
    Constant,
    Cosine,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    Warmup,
    get_schedule,
)
from strata.rules.up_down import UpDown

__all__ = [
    "AdaGrad",
    "Adam",
    "AdamW",
    "Adaptive",
    "AutoAssociator",
    "CompiledBag",
    "CompiledDense",
    "Constant",
    "ContrastiveDivergence",
    "Cosine",
    "DeltaRule",
    "FlatObjective",
    "GradientDescent",
    "InverseScaling",
    "LBFGS",
    "LBFGSBRule",
    "LBFGSRule",
    "LayerTrace",
    "McCullochPittsRule",
    "OPTIMIZERS",
    "OneCycle",
    "OptimizerSpec",
    "PerceptronRule",
    "RMSProp",
    "ReconstructionDescent",
    "ReduceOnPlateau",
    "Rprop",
    "Rule",
    "SCHEDULES",
    "SGD",
    "Schedule",
    "StepDecay",
    "UpDown",
    "Warmup",
    "compile_pays",
    "describe_optimizer",
    "get_optimizer",
    "get_schedule",
    "shuffle_seeds",
]

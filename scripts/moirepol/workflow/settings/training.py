"""Settings of models and of their training."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from moirepol.model.descriptors import DEFAULT as DEFAULT_DESCRIPTOR
from moirepol.workflow.model_plan import PAPER
from moirepol.workflow.settings.base import (
    ABSENT,
    Family,
    Inheriting,
    Name,
    Some,
    SomeDistinct,
    setting,
)

Width = Annotated[int, Field(ge=1, json_schema_extra={"x-unit": "neurons"})]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


class Protocol(Inheriting):
    """Settings of a training."""

    needs: ClassVar[dict[tuple[str, str], tuple[str, ...]]] = {
        ("optimizer", "adam"): ("learning_rate_start", "learning_rate_end", "batch_size"),
        ("optimizer", "gauss_newton"): ("label_noise_eA", "row_gain"),
    }

    description: str = setting("Purpose of the protocol.")
    optimizer: Literal["adam", "gauss_newton"] = setting(
        "adam = the first-order trainer of deepmd-kit (TensorFlow). gauss_newton = a second-order "
        "method of this project, with all labels in each step. Both use the random initial weights "
        "and the file format of deepmd-kit."
    )
    descriptor: Literal["se_e2_a"] = setting(
        "Descriptor of the network, a module of moirepol.model.descriptors.",
        default=DEFAULT_DESCRIPTOR,
    )
    steps: int = setting(
        "Steps of the optimizer. gauss_newton ends earlier if the loss no longer decreases.", ge=1
    )
    learning_rate_start: float = setting(
        "Learning rate of adam at the first step.", default=ABSENT, gt=0, le=1
    )
    learning_rate_end: float = setting(
        "Learning rate of adam at the last step. The decay is exponential.",
        default=ABSENT,
        gt=0,
        le=1,
    )
    batch_size: int = setting("Frames in each step of adam.", default=ABSENT, ge=1)
    label_noise_eA: float = setting(
        "Expected standard deviation between labels and model (docs/methods.md). With a "
        "smaller value, the loss depends more on the labels and less on the distance from the "
        "initial parameters of the network.",
        "e·Å",
        default=ABSENT,
        gt=0,
    )
    label_scale: float = setting(
        "Factor that multiplies the dipoles in e·Å for the training.", gt=0
    )
    row_gain: float = setting(
        "Standard deviation of the scaled rows X_j (docs/methods.md) over the training set, for "
        "gauss_newton. Larger values increase the variance of the initial network output. adam "
        "does not use this setting: deepmd-kit scales the rows itself.",
        default=ABSENT,
        gt=0,
    )
    rcut_A: float = setting("Cut-off radius of the descriptor.", "Å", ge=3, le=20)
    rcut_smooth_A: float = setting(
        "Distance above which the weight of a neighbour decreases smoothly, to zero at rcut_A. At "
        "most rcut_A.",
        "Å",
        ge=0.1,
        le=20,
    )
    descriptor_neurons: Some[Width] = setting("Widths of the layers of the embedding network.")
    axis_neurons: int = setting(
        "Number of rows of g_< in docs/methods.md. At most the last value of descriptor_neurons.",
        "neurons",
        ge=1,
    )
    fitting_neurons: Some[Width] = setting("Widths of the layers of the fitting network.")


class Model(Inheriting):
    """A committee of networks that predict one kind of dipoles."""

    needs: ClassVar[dict[tuple[str, str], tuple[str, ...]]] = {
        ("kind", "response"): ("field_V_per_A",),
        ("kind", "curvature"): ("field_V_per_A",),
    }

    family: Family = setting("Stacking family of the labels.")
    kind: Literal["zero_field", "response", "curvature"] = setting(
        "zero_field = dipoles without a field. response = first-order change in a field. "
        "curvature = second-order response to a field. docs/methods.md contains the formulas."
    )
    field_V_per_A: float = setting(
        "Electric field of the labels for a response or curvature.", "V/Å", default=ABSENT, gt=0
    )
    labels: SomeDistinct[Name] = setting("Label sets for the training.")
    split: Literal["stackings", "cells", "copies"] = setting(
        "Frames held out for validation. stackings = all frames of some distinct stackings. cells "
        "= moiré cells; all untwisted bilayers are training frames. copies = random symmetry "
        "copies, as in the paper."
    )
    folds: int = setting(
        "Number of equal parts of the frames. Each member of the committee holds out another part.",
        ge=2,
    )
    protocol: Name = setting("Name of the training protocol.", default=PAPER)
    seeds: SomeDistinct[Seed] = setting(
        "Random seeds, one for each trained member of the committee."
    )
    study: bool = setting(
        "The model is trained only if a study or another target needs it.", default=False
    )

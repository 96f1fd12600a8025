"""What every stage of a pipeline is: a frozen pydantic model whose keys say what they mean.

The text below a key is its description: it stands in the reference (docs/reference/pipeline.md),
which is generated from here, and nowhere else.
"""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, field_validator
from pydantic.fields import FieldInfo


class Stage(BaseModel):
    """A stage's settings: frozen, finite, and no key that the stage does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        # pydantic reads true as 1: `projection: true` would leave a single figure of the inputs.
        field = cls.model_fields[str(info.field_name)]
        if isinstance(value, bool) and not _may_be_switched(field):
            raise ValueError(
                "must be a value, not a switch (YAML reads on, off, yes and no as true or false);"
                f" received {value!r}"
            )
        return value


def _may_be_switched(field: FieldInfo) -> bool:
    """Whether true and false are values of a field, or words to what reads it first."""
    return bool in (field.annotation, *get_args(field.annotation)) or any(
        isinstance(each, BeforeValidator) for each in field.metadata
    )

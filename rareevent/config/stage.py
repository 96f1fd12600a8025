"""What every stage of a pipeline is: a frozen pydantic model whose keys say what they mean.

The text below a key is its description: it stands in the reference (docs/reference/pipeline.md),
which is generated from here, and nowhere else.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Stage(BaseModel):
    """A stage's settings: frozen, and no key that the stage does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

"""What a config names: suites, policies and variants, by name with options of their own."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from rsft_bench.harness.types import Json


class NamedSpec(BaseModel):
    """A suite or policy by name, with options that the named object itself declares."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str = Field(min_length=1, description="registered name, see `rsft-bench list`")

    @property
    def given(self) -> dict[str, Json]:
        """The options given beside ``name``."""
        return dict(self.model_extra or {})


class PolicySpec(NamedSpec):
    """A policy; kinds of models that learn at other rates share a run by ``training``."""

    training: dict[str, Json] | None = Field(
        None, min_length=1, description="keys of the run's `training` that differ for this policy"
    )


class SuiteSpec(NamedSpec):
    """A suite; one name may be listed twice under different labels, with different options."""

    label: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][\w.@%-]*$", description="its name in the files; default `name`"
    )
    file: str | None = Field(
        None, min_length=1, description="a Python file with this suite; needs `allow_code`"
    )
    variants: tuple[str, ...] | None = Field(
        None, min_length=1, description="the only variants run here; default all"
    )
    policies: tuple[str, ...] | None = Field(
        None, min_length=1, description="the only policies run here, by name; default all"
    )

    @property
    def key(self) -> str:
        """Value of the column ``suite``."""
        return self.label or self.name


class VariantSpec(BaseModel):
    """A method with parameters; a list as value makes a grid over its elements."""

    model_config = ConfigDict(frozen=True, extra="allow")
    method: str = Field(min_length=1, description="registered name, see `rsft-bench list methods`")

    @property
    def given(self) -> dict[str, Json]:
        """The parameters given beside ``method``."""
        return dict(self.model_extra or {})


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Spec = Annotated[PolicySpec, BeforeValidator(_named, json_schema_input_type=str | PolicySpec)]
OneSuite = Annotated[SuiteSpec, BeforeValidator(_named, json_schema_input_type=str | SuiteSpec)]

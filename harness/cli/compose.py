"""The composition root: which registries a command uses and what `list` can say about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.types import Json, Param

if TYPE_CHECKING:
    from rsft_bench.harness.config import RunConfig


def catalog(config: RunConfig | None = None) -> Catalog:
    """The registries of this installation, entry points and a config's own suite files included.

    Raises:
        UserError: a suite file that the config does not allow, or that cannot be read.
    """
    if config is None:
        return Catalog()
    from rsft_bench.harness.suite_files import with_suite_files

    return with_suite_files(Catalog(), config)


def validate_suite(
    name: str, options: Mapping[str, Json], seed: int, config: RunConfig | None = None
) -> Any:
    """A ``ValidationReport`` of one suite. Raises UserError on unknown suites or options."""
    from rsft_bench.harness.catalog import with_defaults
    from rsft_bench.harness.errors import ConfigError
    from rsft_bench.tasks.validation import validate

    suite = catalog(config).suite(name)
    known = [p.name for p in suite.options]
    for option in options:
        if option not in known:
            raise ConfigError(
                f"suite {name!r} has no option {option!r}; allowed: {', '.join(known) or 'none'}"
            )
    return validate(suite, with_defaults(options, suite.options), seed)


def describe(kind: str) -> list[dict[str, Json]]:
    """Entries of one kind for `list`: name, a line of text, parameters with defaults."""
    if kind == "presets":
        from rsft_bench.harness.presets import DESCRIPTIONS

        return [_entry(name, text, ()) for name, text in DESCRIPTIONS.items()]
    if kind == "suites":
        return [{**_described(s), **_suite_facts(s)} for s in catalog().registry("suite")]
    singular = "policy" if kind == "policies" else kind.removesuffix("s")
    return [_described(item) for item in catalog().registry(singular)]


def _described(item: Any) -> dict[str, Json]:
    text = getattr(item, "doc", None) or getattr(item, "attribution", None)
    text = text or (type(item).__doc__ or "").strip().partition("\n")[0]
    params = getattr(item, "params", None) or getattr(item, "options", ())
    return _entry(item.name, str(text), params if isinstance(params, tuple) else ())


def _suite_facts(suite: Any) -> dict[str, Json]:
    """What `list suites` shows beside the options; None for what only its data can tell."""
    counts = [p.default for p in suite.options if p.name.startswith("n_")]
    reads = any(p.name == "path" for p in suite.options)
    return {
        "language": getattr(suite, "language", None),
        "size": sum(counts) if counts and not reads else None,
        "licence": suite.licence,
        "gold_kind": getattr(suite, "gold_kind", None),
        "ceiling": getattr(suite, "ceiling", None),
        "needs_data": reads,
    }


def _entry(name: str, text: str, params: Sequence[Param]) -> dict[str, Json]:
    from rsft_bench.harness.values import allowed_range

    shown = [
        {
            "name": p.name,
            "default": p.default,
            "doc": p.doc,
            "choices": list(p.choices),
            "range": allowed_range(p),
        }
        for p in params
    ]
    return {"name": name, "doc": text, "params": shown}


def packaged_weights() -> Path | None:
    """Folder of the weights shipped with this package, or None where they are absent."""
    import rsft_bench.harness.policies as package

    folder = Path(str(package.__file__)).parent / "nano_1"
    return folder if any(folder.glob("*.safetensors")) else None

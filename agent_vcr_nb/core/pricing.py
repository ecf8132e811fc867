"""What a call of a model costs: the user's own prices first, then the offline snapshot of ``genai-prices``.

A model that neither knows has no price: None, never 0. Own prices are dollars a million tokens, set with `set_price` or
in ``prices.json`` beside the recordings: ``{"my-model": {"input": 0.5, "output": 1.5, "cache_read": 0.05}}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import orjson

from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.core.frame import FrameMetadata

Prices = Mapping[str, Mapping[str, float]]
_KINDS = ("input", "output", "cache_read", "cache_write")
_MILLION = Decimal(1_000_000)
_own: dict[str, dict[str, float]] = {}


def set_price(
    model: str,
    *,
    input: float,
    output: float,
    cache_read: float | None = None,
    cache_write: float | None = None,
) -> None:
    """Set the price of a model in dollars a million tokens; without a cache price, cached tokens cost as `input`."""
    given = {"input": input, "output": output, "cache_read": cache_read, "cache_write": cache_write}
    _own[model] = {kind: price for kind, price in given.items() if price is not None}


def load_prices(directory: Path) -> Prices:
    """Return the prices of ``prices.json`` in a folder of recordings; raises UsageError for a file of another form."""
    path = directory / "prices.json"
    if not path.is_file():
        return {}
    try:
        prices = orjson.loads(path.read_bytes())
        for model, by_kind in prices.items():
            if not {"input", "output"} <= by_kind.keys() <= set(_KINDS):
                raise ValueError(
                    f"{model!r} has {sorted(by_kind)}, expected input and output, and maybe cache_read, cache_write"
                )
            for price in by_kind.values():
                Decimal(str(price))
    except (ValueError, AttributeError, ArithmeticError) as error:
        raise UsageError(f"{path}: {error}. Expected dollars a million tokens by model and kind.") from error
    return dict(prices)


def price_of(figures: FrameMetadata, own: Prices | None = None) -> Decimal | None:
    """Return what a call costs in dollars, or None when its model, its tokens or the model's price is unknown.

    Source of the snapshot: the genai-prices package, by provider and model, as of its release.
    """
    if not figures.model or (figures.tokens_input is None and figures.tokens_output is None):
        return None
    prices = {**_own, **(own or {})}.get(figures.model)
    if prices is not None:
        return _by_own(figures, prices)
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=figures.tokens_input,
        output_tokens=figures.tokens_output,
        cache_read_tokens=figures.tokens_cache_read,
        cache_write_tokens=figures.tokens_cache_write,
    )
    # "provider/model", as some libraries write it, is looked up under the model's own name.
    for name in dict.fromkeys((figures.model, figures.model.rpartition("/")[2])):
        try:
            return calc_price(usage, name).total_price
        except LookupError:
            continue
    return None


def _by_own(figures: FrameMetadata, prices: Mapping[str, float]) -> Decimal:
    read, written = figures.tokens_cache_read or 0, figures.tokens_cache_write or 0
    counts = {
        "input": (figures.tokens_input or 0) - read - written,
        "cache_read": read,
        "cache_write": written,
        "output": figures.tokens_output or 0,
    }
    rates = {kind: Decimal(str(prices.get(kind, prices["input"]))) for kind in counts}
    return sum((Decimal(count) * rates[kind] / _MILLION for kind, count in counts.items()), Decimal(0))

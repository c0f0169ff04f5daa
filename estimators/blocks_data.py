"""Building blocks of what is stored, read and learned.

A row: name, what it takes, stands for and gives, about, example, source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from estimators.definitions import Block, Native, Series
from estimators.errors import FormulaError


def _share_above(threshold: Any, mean: Any, spread: Any) -> Any:
    least = spread if isinstance(spread, int | float) else spread.min()
    if not least > 0:
        raise FormulaError("a spread of 0 leaves nothing to share out; write for example 1")
    deviations = (threshold - mean) / spread
    if isinstance(deviations, int | float):
        return math.erfc(deviations / math.sqrt(2)) / 2
    from scipy.special import ndtr

    return ndtr(-deviations)


_RATES = (
    Block(
        "average_rate", "people: count, each: rate", "people * each", None,
        "How often something is asked for on average, from how many people ask and how often each does.",
        "average_rate(50M users, 10 events/user/hour)",
    ),
    Block(
        "peak_rate", "average: rate, peak_to_mean: number", "average * peak_to_mean", None,
        "The rate at the busiest time of a day; 1.6 to 1.7 times the mean is published for sites that serve the world.",
        "peak_rate(2894 loads/s, 1.65)",
        "Brazil, Do you know your peak-to-mean ratio?, Robust Perception",
    ),
    Block(
        "in_flight", "arrivals: rate, time_inside: time", "arrivals * time_inside", None,
        "How many are inside on average: arrival rate times the mean time that each stays, whatever the distributions.",
        "in_flight(10k requests/s, 50 ms)",
        "Little, A Proof for the Queuing Formula L = lambda W, 1961",
    ),
)  # fmt: skip

_STORAGE = (
    Block(
        "stored", "rows: rate, size: size, kept: time, copies: number = 1, compression: number = 1",
        "rows * size * kept * copies / compression", "B",
        "Bytes at rest of a stream kept for a time, in so many copies; a compression of 3 leaves a third.",
        "stored(750 billion rows/month, 500 B/row, 6 months, 3)",
    ),
    Block(
        "bandwidth", "requests: rate, size: size, framing: number = 1", "requests * size * framing", "B/s",
        "Bytes a second, in or out; framing is the factor for headers and what is sent again.",
        "bandwidth(2894 loads/s, 200 kB/load)",
    ),
    Block(
        "tiered_cost",
        "written: throughput, kept: time, hot: time, hot_price: money, cold_price: money, copies: number = 1",
        "written * copies * (min(hot, kept) * hot_price + (kept - min(hot, kept)) * cold_price)", "$/month",
        "What it costs to keep a stream, its newest part on a dear tier and the rest on a cheap one.",
        "tiered_cost(1 TB/day, 1 year, 30 days, $0.023/GB/month, $0.004/GB/month)",
    ),
)  # fmt: skip


def _lru_hit_ratio(entries: Any, keys: Any, alpha: Any) -> Any:
    from estimators.caching import lru_hit_ratio

    return lru_hit_ratio(keys, alpha, entries)


def _lru_entries(hit_ratio: Any, keys: Any, alpha: Any) -> Any:
    import numpy

    from estimators.caching import lru_size

    some = numpy.ceil(lru_size(keys, alpha, numpy.clip(hit_ratio, 1e-9, 1 - 1e-9)))
    return numpy.where(hit_ratio == 0, 0.0, numpy.where(hit_ratio == 1, keys, some))


def _ttl_hit_ratio(requests: Any, ttl: Any) -> Any:
    from estimators.caching import ttl_hit_ratio

    return ttl_hit_ratio(requests, ttl)


_CACHES = (
    Block(
        "cache_memory", "entries: count, size: size, overhead: size", "entries * (size + overhead)", "B",
        "Memory of a cache; overhead is what its table needs for each entry.",
        "cache_memory(100 million keys, 300 B, 56 B)",
    ),
    Block(
        "lru_hit_ratio", "entries: count, keys: count, alpha: number",
        Native("Σ p (1 - exp(-p t)), with t so that Σ (1 - exp(-p t)) is the entries", _lru_hit_ratio), "",
        "Share of the requests that an LRU cache answers: each asks independently for one of the keys, the i-th most "
        "popular in proportion to i^-alpha (Zipf).",
        "lru_hit_ratio(100000, 1 million, 0.8)",
        "Che, Tung and Wang, Hierarchical Web Caching Systems, JSAC 2002",
    ),
    Block(
        "lru_entries", "hit_ratio: share, keys: count, alpha: number",
        Native("the fewest with which lru_hit_ratio(entries, keys, alpha) is the hit ratio", _lru_entries), "key",
        "How many entries an LRU cache needs for a hit ratio.",
        "lru_entries(48.7 %, 1 million, 0.8)",
        "Che, Tung and Wang, Hierarchical Web Caching Systems, JSAC 2002",
    ),
    Block(
        "ttl_hit_ratio", "requests: rate, ttl: time", Native("r ttl ÷ (1 + r ttl)", _ttl_hit_ratio), "",
        "Share of the requests for one key that a cache answers which keeps it for a time from its fetch on.",
        "ttl_hit_ratio(1 request/s, 10 s)",
        "Jung, Berger and Balakrishnan, Modeling TTL-based Internet Caches, INFOCOM 2003",
    ),
)  # fmt: skip

_FEATURES = (
    Block(
        "feature_reads", "requests: rate, candidates: count, features: count = 1", "requests * candidates * features",
        "read/s",
        "Values read from a feature store: one for each feature of each candidate of each request.",
        "feature_reads(2894 loads/s, 500 videos/load, 300 features/video)",
    ),
    Block(
        "embedding_memory", "rows: count, width: count, number_size: size = 4 B", "rows * width * number_size", "B",
        "An embedding table: a vector of so many numbers for each row.",
        "embedding_memory(1 million videos, 256)",
    ),
    Block(
        "hnsw_memory", "vectors: count, width: count, links: count = 16, number_size: size = 4 B",
        "vectors * (width * number_size + links * 10 B)", "B",
        "A graph index for nearest neighbours: each vector, and 8 to 10 bytes for each of its links (M); ten are "
        "reckoned.",
        "hnsw_memory(10 million videos, 256)",
        "hnswlib, ALGO_PARAMS.md; Malkov and Yashunin, TPAMI 2018",
    ),
    Block(
        "pq_memory", "vectors: count, code: size, id_size: size = 8 B", "vectors * (code + id_size)", "B",
        "An inverted index with product quantisation: a code of some bytes and an id for each vector.",
        "pq_memory(1 billion vectors, 64 B)",
        "Faiss wiki, Faiss indexes; Jegou, Douze and Schmid, TPAMI 2011",
    ),
)  # fmt: skip


def _weights(widths: Sequence[str]) -> str:
    return " + ".join(f"{before} * {after}" for before, after in pairwise(widths))


_MODELS = (
    Block(
        "mlp_parameters", "width: number, ...",
        Series(lambda widths: f"{_weights(widths)} + {' + '.join(widths[1:])}"), "parameter",
        "Weights and biases of fully connected layers, from the widths in order: inputs first, outputs last.",
        "mlp_parameters(784, 300, 100, 10)",
    ),
    Block(
        "mlp_flops", "width: number, ...", Series(lambda widths: f"2 * ({_weights(widths)})"), "FLOP",
        "FLOPs to score one item with fully connected layers: a multiplication and an addition for each weight.",
        "mlp_flops(784, 300, 100, 10)",
    ),
    Block(
        "transformer_parameters", "layers: number, width: number", "layers * width^2 * 12", "parameter",
        "Parameters of a transformer without its embeddings, feed-forward layers four times as wide as the model.",
        "transformer_parameters(96, 12288)",
        "Kaplan et al., Scaling Laws for Neural Language Models, 2020, table 1",
    ),
    Block(
        "model_memory", "parameters: count, number_size: size = 4 B", "parameters * number_size", "B",
        "The parameters of a model in memory; 4 B for 32-bit floats, 2 B for 16, 1 B for 8.",
        "model_memory(175 billion parameters, 2 B)",
    ),
    Block(
        "scoring_rate", "peak: rate, per_item: count, utilisation: share", "peak * utilisation / per_item", None,
        "Items that a device scores in a time, from its peak FLOPS, the FLOPs of an item, and the share of the peak "
        "that is reached.",
        "scoring_rate(312 TFLOPS, 7.4 MFLOP/video, 10 %)",
    ),
    Block(
        "kv_cache_memory", "tokens: count, layers: number, width: number, number_size: size = 2 B",
        "tokens * layers * width * number_size * 2", "B",
        "Keys and values that a transformer keeps of the tokens before; width is key heads x head size.",
        "kv_cache_memory(2048 tokens, 40, 5120)",
        "Kwon et al., Efficient Memory Management for LLM Serving with PagedAttention, SOSP 2023",
    ),
    Block(
        "tokens_per_second", "memory: throughput, model: size, batch: count = 1", "memory / model * batch", "token/s",
        "An upper bound for generated tokens: a step reads all weights, and gives each sequence of the batch a token.",
        "tokens_per_second(3.35 TB/s, 140 GB, 8)",
        "Pope et al., Efficiently Scaling Transformer Inference, 2022, section 2",
    ),
)  # fmt: skip

_TRAINING = (
    Block(
        "training_examples", "events: rate, kept: time, sampled: share = 1", "events * kept * sampled", "example",
        "Rows to learn from: a stream, kept for a time, of which a share is sampled.",
        "training_examples(750 billion rows/month, 6 months, 10 %)",
    ),
    Block(
        "training_flops", "parameters: count, examples: count", "parameters * examples * 6", "FLOP",
        "Two FLOPs forward and four backward for each parameter and example (of a language model: token); without "
        "embeddings.",
        "training_flops(175 billion parameters, 300 billion tokens)",
        "Kaplan et al., Scaling Laws for Neural Language Models, 2020, section 2.1",
    ),
    Block(
        "training_memory", "parameters: count", "parameters * 16 B", "B",
        "What Adam holds for each parameter: weight and gradient in 16 bits, and weight, mean and variance in 32. "
        "Activations come on top.",
        "training_memory(1.5 billion parameters)",
        "Rajbhandari et al., ZeRO, SC 2020, section 3.1",
    ),
    Block(
        "training_time", "flops: count, devices: count, peak: rate, utilisation: share",
        "flops / (devices * peak * utilisation)", "s",
        "How long so many devices learn; 21 to 46 % of the peak are reported for language models of 2020 to 2022.",
        "training_time(3.15e23 FLOP, 1024 gpus, 312 TFLOPS/gpu, 45 %)",
        "arithmetic; Chowdhery et al., PaLM, 2022, table 3, for the share",
    ),
    Block(
        "training_cost", "duration: time, devices: count, price: money", "duration * devices * price", "$",
        "Device hours times their price.",
        "training_cost(34 days, 1024 gpus, $2.74/hour/gpu)",
    ),
)  # fmt: skip

_SCORES = (
    Block(
        "share_above", "threshold: score, mean: score = 0, spread: number = 1",
        Native("1 - Φ((threshold - mean) ÷ spread)", _share_above), "",
        "Share of the normally distributed scores above a threshold. Of the scores of the good it is the "
        "false-positive rate, of those of the bad, whose mean lies higher, the recall.",
        "share_above(2.5, 3)",
        "Green and Swets, Signal Detection Theory and Psychophysics, 1966 (the binormal model)",
    ),
    Block(
        "precision", "base_rate: share, recall: share, false_positive_rate: share",
        "base_rate * recall / (base_rate * recall + (1 - base_rate) * false_positive_rate)", "",
        "Share of the flagged that are rightly flagged: where few are bad, most alarms are false.",
        "precision(0.1 %, 80 %, 1 %)",
        "Bayes' rule",
    ),
)  # fmt: skip

SECTIONS: dict[str, tuple[Block, ...]] = {
    "Rates": _RATES,
    "Storage and bandwidth": _STORAGE,
    "Caches": _CACHES,
    "Features and indexes": _FEATURES,
    "Models": _MODELS,
    "Training": _TRAINING,
    "Scores and thresholds": _SCORES,
}

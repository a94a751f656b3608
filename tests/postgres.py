"""The throw-away PostgreSQL of the benchmarks, for tests."""

from keersluis.bench.postgres import binaries, cluster, why_not

__all__ = ["binaries", "cluster", "why_not"]

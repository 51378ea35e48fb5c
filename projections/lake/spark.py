"""Buckets handed out by Apache Spark: a map over executors, and nothing exchanged.

Spark computes nothing of its own here. Each task is what a process does on one machine
(:func:`~seat_ledger.projections.lake.rebuild.compute`): the executors need the product
installed, the lake's place and the output within reach. A task that is lost with its
executor is done again; its files are the same, and replaced whole.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from seat_ledger.projections.lake.rebuild import BucketShare, Done, compute


def computed_by_spark(shares: Sequence[BucketShare], master: str) -> list[Done]:
    """Do shares as tasks, in the order of the shares."""
    from pyspark import SparkConf, SparkContext  # noqa: PLC0415  brought by the operator

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = SparkConf().setMaster(master).setAppName("seat-ledger")
    settings.set("spark.ui.enabled", "false")
    settings.set("spark.ui.showConsoleProgress", "false")
    context = SparkContext(conf=settings)
    try:
        tasks = context.parallelize(list(shares), len(shares))
        return list(tasks.map(compute).collect())
    finally:
        context.stop()

"""Batch work over partitioned Parquet: kernels in Arrow, jobs in Daft, one switch for the runner.

Kernels know no engine and jobs no runner. ``engine.start`` is the only place that loads Daft, after
its telemetry and Ray's have been switched off.
"""

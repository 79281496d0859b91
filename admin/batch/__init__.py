"""Work on Parquet: the only room with pyarrow and Daft (the extra ``batch``).

Kernels know no engine and jobs no runner. ``engine.start`` is the only place that loads Daft, after
its telemetry and Ray's have been switched off.
"""

"""Work on Parquet: the only room with pyarrow and Daft (the extra ``batch``)."""

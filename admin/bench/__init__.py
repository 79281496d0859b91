"""How fast: benchmarks of the vector index and of the whole path of a question."""

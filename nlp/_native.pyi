import numpy as np
from numpy.typing import NDArray

def add_rows(
    out: NDArray[np.float32],
    table: NDArray[np.float32],
    places: NDArray[np.int64],
    weights: NDArray[np.float32],
    /,
) -> None: ...
def hash_trigrams(
    text: bytes,
    idf: NDArray[np.float32],
    columns: NDArray[np.int64],
    weights: NDArray[np.float32],
    /,
) -> int: ...

import numpy as np
from numpy.typing import NDArray

def hash_trigrams(
    text: bytes,
    idf: NDArray[np.float32],
    columns: NDArray[np.int64],
    weights: NDArray[np.float32],
    /,
) -> int: ...

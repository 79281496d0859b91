import numpy as np
from numpy.typing import NDArray

def add_scores(
    total: NDArray[np.float32],
    rows: NDArray[np.int32],
    counts: NDArray[np.uint8],
    norms: NDArray[np.float32],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    factors: NDArray[np.float32],
    levels: NDArray[np.float32] | None,
    /,
) -> None: ...
def best_of_groups(
    best: NDArray[np.float32], values: NDArray[np.float32], starts: NDArray[np.int64], /
) -> None: ...

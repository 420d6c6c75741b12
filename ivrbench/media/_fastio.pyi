from typing import Any

import numpy as np
from numpy.typing import NDArray

def send_rows(
    fds: NDArray[np.int32],
    rows: NDArray[np.int64],
    table: NDArray[Any],
    width: int,
    start: int,
    length: int,
    /,
) -> None: ...
def read_rows(
    fds: NDArray[np.int32],
    rows: NDArray[np.int64],
    table: NDArray[Any],
    sizes: NDArray[np.int64],
    width: int,
    /,
) -> None: ...

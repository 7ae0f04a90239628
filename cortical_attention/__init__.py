"""Does a cortico-thalamic circuit compute multihead self-attention? Circuits in Brian2, held against the algebra.

The folders `cells`, `wiring`, `circuits` and `experiments` stand at the top of the repository and are installed inside this
package; in a clone they are found there without being installed (decision 0014).
"""

from pathlib import Path

_CLONE = Path(__file__).parents[1]
if (_CLONE / "wiring" / "circuit.py").is_file() and (_CLONE / "setup.cfg").is_file():
    __path__.append(str(_CLONE))

__version__ = "0.1.0"

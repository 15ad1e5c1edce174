"""Packages that contest judges offer work in the sandbox as they do there."""

from __future__ import annotations

import sys

import pytest

from ocr_pipeline.judge import Limits, Runner, RunStatus, run_program
from ocr_pipeline.judge.sandbox import package_versions

USES = {
    "numpy": "import numpy\nprint(int(numpy.arange(4).sum()))",
    "scipy": "from scipy.sparse.csgraph import connected_components\nimport numpy\nprint(connected_components(numpy.zeros((6, 6)))[0])",
    "networkx": "import networkx\nprint(networkx.path_graph(6).number_of_nodes())",
    "sympy": "import sympy\nprint(sympy.nextprime(5) - 1)",
    "pandas": "import pandas\nprint(pandas.Series([1, 2, 3]).sum())",
    "sortedcontainers": "from sortedcontainers import SortedList\nprint(SortedList([7, 6])[0])",
    "numba": "from numba import njit\n@njit('i8(i8)', cache=True)\ndef f(x): return x\nprint(f(6))",
    "gmpy2": "import gmpy2\nprint(gmpy2.mpz(6))",
    "more_itertools": "from more_itertools import ilen\nprint(ilen(range(6)))",
    "bitarray": "from bitarray import bitarray\nprint(len(bitarray('010101')))",
    "atcoder": "from atcoder.dsu import DSU\nprint(len(DSU(6).groups()))",
}


@pytest.mark.parametrize("name", USES)
def test_a_package_works(runner: Runner, name: str) -> None:
    """Also what a program keeps in a cache beside its file, which it has none of here."""
    if name not in package_versions(sys.executable):
        pytest.skip(f"{name} is not installed; it is in the extra judge")
    (result,) = run_program(USES[name], "python", [""], Limits(memory_mib=512), runner=runner)
    assert (result.status, result.stdout.strip()) == (RunStatus.OK, b"6"), result.stderr

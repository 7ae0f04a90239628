"""The page on ways in and out, run as it stands."""

from pathlib import Path

import pytest

from tests import tiny_gpt2

PAGE = Path(__file__).parents[1] / "docs" / "ways.md"


@pytest.mark.filterwarnings("ignore")  # of elephant and of quantities; b_O is left out
def test_every_block_of_the_page_runs(tmp_path, monkeypatch):
    """In one session, with a tiny GPT-2 in the folder of the example."""
    pytest.importorskip("pandas")
    pytest.importorskip("elephant")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model").mkdir()
    tiny_gpt2.write(tmp_path / "my_model")
    blocks = [part.split("```")[0] for part in PAGE.read_text(encoding="utf-8").split("```python\n")[1:]]
    names = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 3
    assert names["case"].name == "my_model_layer1_head0"
    assert len(names["rates"]) > 2
    assert 0 <= max(map(float, names["regular"])) < 1
    assert len(names["cells"]) > 100
    assert names["again"].about == names["answer"].about

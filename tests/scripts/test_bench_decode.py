"""The bench of decoding: what it writes is a model, and what it sums up is right by hand."""

from pathlib import Path

import pytest

from models.int4 import Int4Linear
from models.loading import load_model
from models.text.reading import reader_of
from models.text.rotary_step import RotaryStep
from scripts.bench_decode import shape, summed, token_bytes, tokens, write_int4


def test_the_random_folder_is_an_int4_model_that_goes_on(tmp_path: Path) -> None:
    write_int4(tmp_path, shape(1, 256))
    model = load_model(tmp_path).model
    assert sum(isinstance(part, Int4Linear) for part in model.modules()) == 7
    assert isinstance(reader_of(model), RotaryStep)
    assert len([taken for taken in tokens(model, 2) if taken > 0]) == 2
    # Four heads share one: q and o are 256 x 256, k and v 256 x 64, three of 256 x 1024.
    weights = 2 * 256 * 256 + 2 * 256 * 64 + 3 * 256 * 1024
    assert token_bytes(model) == 32000 * 256 * 2 + weights // 2 + weights // 128 * 4


def test_rounds_are_summed_up_by_medians_of_their_own_ratios() -> None:
    def one(int4: float, other: float) -> dict[str, dict[str, object]]:
        own = {"token_s": int4, "bytes": 8, "stream_bytes_s": 4.0, "shares": {"rest": 1.0}}
        return {"int4": own, "llama_cpp": {"token_s": other}}

    found = summed([one(4.0, 2.0), one(8.0, 8.0), one(2.0, 4.0)])
    assert found["int4_speed_to_llama_cpp"] == pytest.approx(1)
    assert found["int4"]["token_s"] == 4.0 and found["int4"]["of_roofline"] == pytest.approx(0.5)
    assert found["llama_cpp"] == {"token_s": 4.0, "tokens_a_second": 0.25}

"""Licence texts and notices go with outputs."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.families import OpenedModel, known_families, open_blockwise
from quantizer.run.notices import missing_texts, statements, write_notices
from quantizer.run.output import copy_small_files
from quantizer.run.pipeline import Job, run
from quantizer.solvers.methods import Settings

LLAMA_3 = {"vocab_size": 128256, "bos_token_id": 128000}
NOTICE = "Meta Llama 3 is licensed under the Meta Llama 3 Community License, Copyright ©"


def opened_as(folder: Path, **config: object) -> OpenedModel:
    opened = open_blockwise(folder)
    return replace(opened, config=opened.config | LLAMA_3 | config)


@pytest.mark.parametrize(
    ("family", "config", "titles"),
    [
        ("cogvlm2", LLAMA_3, ["The CogVLM License", "META LLAMA 3 COMMUNITY LICENSE"]),
        ("cogvlm2", {"vocab_size": 128256}, ["The CogVLM License", "META LLAMA 3 COMMUNITY"]),
        ("cogvlm2", {"vocab_size": 512, "bos_token_id": 0}, []),
        ("llama", LLAMA_3, ["META LLAMA 3 COMMUNITY LICENSE"]),
        ("llama", LLAMA_3 | {"rope_scaling": {"rope_type": "llama3"}}, ["LLAMA 3.1 COMMUNITY"]),
        ("llama", {"vocab_size": 32000, "bos_token_id": 1}, []),
        ("opt", LLAMA_3, []),
    ],
)
def test_licences_are_told_by_the_model(
    family: str, config: dict[str, object], titles: list[str]
) -> None:
    terms = {known.name: known.terms for known in known_families()}[family]
    found = [licence.title for licence in terms.licences(config)]
    assert len(found) == len(titles)
    for one, title in zip(found, titles, strict=True):
        assert one.startswith(title)


def test_cogvlm2_gets_what_its_source_lacks(tiny_cogvlm2: Path, tmp_path: Path) -> None:
    opened = opened_as(tiny_cogvlm2)
    (tmp_path / "README.md").write_text("# CogVLM2\n")
    for _ in range(2):  # a continued run adds nothing twice
        write_notices(opened, tmp_path, "gptq")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"NOTICE", "README.md", "LLAMA3_LICENSE.txt", "COGVLM2_MODEL_LICENSE.txt"}
    assert (tmp_path / "NOTICE").read_text().count(NOTICE) == 1
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("# CogVLM2\n")
    assert readme.count("Built with Meta Llama 3") == 1
    assert "no other program loads CogVLM2" in readme


def test_texts_of_the_source_are_copied_and_kept(tiny_cogvlm2: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    texts = {
        "LICENSE": "Meta Llama 3 Community License Agreement",
        "MODEL_LICENSE": "The CogVLM License",
        "Notice": "of the source",
        "USE_POLICY.md": "policy",
    }
    for name, text in texts.items():
        (source / name).write_text(text)
    copy_small_files(source, target)
    write_notices(opened_as(tiny_cogvlm2), target, "gptq")
    assert {name: (target / name).read_text() for name in texts} == texts
    assert not (target / "LLAMA3_LICENSE.txt").exists()


def test_a_text_that_we_do_not_have_is_asked_for(tiny_llama: Path) -> None:
    opened = opened_as(tiny_llama, rope_scaling={"rope_type": "llama3"})
    (note,) = missing_texts(opened)
    assert "LLAMA 3.1 COMMUNITY LICENSE" in note
    assert statements(opened, "gptq") == ["Built with Llama"]


def test_a_run_writes_and_reports_them(tiny_cogvlm2: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = run(Job(tiny_cogvlm2, out, Settings("rtn", group_size=8)))
    assert "no other program loads CogVLM2" in (out / "README.md").read_text()
    assert "no other program loads CogVLM2" in (out / "report.md").read_text()
    assert "README.md" in report.files
    assert not (out / "NOTICE").exists()

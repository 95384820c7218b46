"""Chat templates are read from where folders have them, and filled in as Transformers does."""

import json
from pathlib import Path

import pytest

from models.errors import ModelFolderError
from models.text.chat_template import Turn, read_chat_template

TURNS = (Turn("system", "Be short."), Turn("user", "Who came?"))
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
ASKED = "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nWho came?<|im_end|>\n"


def config(folder: Path, **fields: object) -> Path:
    (folder / "tokenizer_config.json").write_text(json.dumps(fields))
    return folder


def test_a_folder_without_one(tmp_path: Path) -> None:
    assert read_chat_template(tmp_path) is None
    assert read_chat_template(config(tmp_path, bos_token="<s>")) is None


def test_all_places_in_which_folders_have_it(tmp_path: Path) -> None:
    expected = f"{ASKED}<|im_start|>assistant\n"
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": CHATML}))
    places = [read_chat_template(tmp_path)]
    places.append(read_chat_template(config(tmp_path, chat_template=CHATML)))
    several = [
        {"name": "tool_use", "template": "no"},
        {"name": "default", "template": CHATML},
    ]
    places.append(read_chat_template(config(tmp_path, chat_template=several)))
    config(tmp_path, chat_template="not this one")
    (tmp_path / "chat_template.jinja").write_text(CHATML)
    places.append(read_chat_template(tmp_path))
    assert [each.prompt(TURNS) if each else None for each in places] == [expected] * 4


def test_special_tokens_and_thinking(tmp_path: Path) -> None:
    source = (
        "{{ bos_token }}{{ messages[-1]['content'] }}{% if enable_thinking is false %}!{% endif %}"
    )
    folder = config(tmp_path, bos_token={"content": "<s>", "special": True}, chat_template=source)
    template = read_chat_template(folder)
    assert template is not None and template.prompt(TURNS) == "<s>Who came?!"


def test_a_model_without_system_turns_is_told_in_the_question(tmp_path: Path) -> None:
    source = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "[{{ messages[0]['content'] }}]"
    )
    template = read_chat_template(config(tmp_path, chat_template=source))
    assert template is not None and template.prompt(TURNS) == "[Be short.\n\nWho came?]"


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in %}",
        "{{ messages[7].content.x }}",
        "{{ ''.__class__.__mro__[1].__subclasses__()[0]() }}",
        "{% for i in range(10000000) %}x{% endfor %}",
    ],
)
def test_templates_that_fail_are_one_line(source: str, tmp_path: Path) -> None:
    template = read_chat_template(config(tmp_path, chat_template=source))
    assert template is not None
    with pytest.raises(ModelFolderError, match="cannot be filled in") as told:
        template.prompt(TURNS)
    assert "\n" not in str(told.value)


def test_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="no usable chat_template"):
        read_chat_template(config(tmp_path, chat_template=[{"name": "other"}]))
    with pytest.raises(ModelFolderError, match="no usable chat_template"):
        read_chat_template(config(tmp_path, chat_template=7))
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelFolderError, match="copy it again"):
        read_chat_template(tmp_path)

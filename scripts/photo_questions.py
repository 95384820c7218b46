#!/usr/bin/env python3
"""Make a picture folder of real photographs with questions, for `quantizer eval --task pictures`.

The pocket model was never shown a photograph; this measures how far it is from them. The
photographs are those of the test data; counts were taken by eye, the rest is published with them.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

# Photograph, question, right answer.
COUNTS = (
    ("mmpose_coco/000000000785.jpg", "How many people are there?", "1"),
    ("mmpose_coco/000000196141.jpg", "How many people are there?", "4"),
    ("qwen_vl/apple_r.jpeg", "How many apples are there?", "2"),
    ("qwen_vl/demo.jpeg", "How many people are there?", "1"),
    ("qwen_vl/demo.jpeg", "How many dogs are there?", "1"),
    ("darknet/dog.jpg", "How many dogs are there?", "1"),
    ("darknet/eagle.jpg", "How many birds are there?", "1"),
    ("darknet/giraffe.jpg", "How many animals are there?", "2"),
    ("llava/extreme_ironing.jpg", "How many people are there?", "1"),
    ("cogvlm2/demo.jpg", "How many people are there?", "0"),
)

Record = tuple[Path, str, str, str]  # photograph, question, answer, skill


def records(vision: Path) -> Iterator[Record]:
    """Yield every question about the shared photographs."""
    words = json.loads((vision / "clovaai_str/labels.json").read_text())
    for name, word in words.items():
        yield vision / "clovaai_str" / name, "What is the word?", word.upper(), "scene word"
    listed = json.loads((vision / "mmocr/rec_labels.json").read_text())["data_list"]
    for entry in listed:
        picture = vision / "mmocr" / f"rec_{entry['img_path']}"
        text = entry["instances"][0]["text"]
        yield picture, "What is the word?", text.upper(), "scene word"
    for name, question, answer in COUNTS:
        yield vision / name, question, answer, "count in a photograph"
    for key in sorted((vision / "sroie").glob("*.key.json")):
        facts = json.loads(key.read_text())
        picture = key.with_name(key.name.replace(".key.json", ".jpg"))
        yield picture, "What is the total?", facts["total"], "receipt total"
        yield picture, "What is the date?", facts["date"], "receipt date"


def main(argv: Sequence[str] | None = None) -> int:
    """Copy the photographs into a folder and write `questions.jsonl` beside them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="the folder to write")
    output: Path = parser.parse_args(argv).output
    shared = Path(os.environ.get("SIGHTLINE_TEST_DATA", "../shared/data"))
    vision = shared / "vision"
    if not vision.is_dir():
        print(f"error: there is no {vision}; set SIGHTLINE_TEST_DATA", file=sys.stderr)
        return 2
    output.mkdir(parents=True, exist_ok=True)
    with (output / "questions.jsonl").open("w", encoding="utf-8") as lines:
        for picture, question, answer, skill in records(vision):
            name = f"{picture.parent.name}_{picture.name}"
            shutil.copyfile(picture, output / name)
            record = {"picture": name, "question": question, "answer": answer, "skill": skill}
            lines.write(json.dumps(record) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The pocket model's tokenizer: a byte-level BPE of some hundred pieces.

Question words become single tokens, because the closed set of wordings repeats them; capital
letters never merge, so that a word in a picture is spelled letter by letter.
"""

from collections.abc import Iterator

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from models.cogvlm2.processing import build_prompt
from models.pocket.questions import COLOURS, DECLINE, MAX_COUNT, SHAPES, all_questions, phrase

BOS, EOS, PAD = "<|begin_of_text|>", "<|end_of_text|>", "<|picture|>"
VOCAB_SIZE = 768


def build_tokenizer() -> Tokenizer:
    """Train the tokenizer on every question and every fixed answer; deterministic."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    return tokenizer


def _corpus() -> Iterator[str]:
    for question in all_questions():
        for text in (phrase(question), question):
            yield build_prompt(text)
    answers = [*COLOURS, *SHAPES, *(str(count) for count in range(MAX_COUNT + 1)), DECLINE]
    for answer in answers:
        yield from [answer] * 100

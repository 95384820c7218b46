"""A tokenizer of letters, for small models of random weights."""

from tokenizers import Regex, Tokenizer, models, pre_tokenizers


def letter_tokenizer() -> Tokenizer:
    """One token per printable character; ids 0 to 2 are <unk>, <s> and </s>; 99 ids in all."""
    characters = [chr(code) for code in range(32, 127)] + ["\n"]
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocabulary |= {character: 3 + index for index, character in enumerate(characters)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    return tokenizer

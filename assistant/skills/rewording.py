"""A question in other words, for a model that is asked a second time.

A model that is asked the same thing in the same words gives the same answer, right or wrong. So
double-checking puts the question in another way. The rest of the question stays as it was asked:
who rewrites more may ask something else.
"""

import re

_OF_PICTURE = r"(?: (?:in|on) (?:the|this) (?:picture|photo|image))?"
_THERE = rf"(?: (?:are|is)(?: there)?| (?:can|do) you see){_OF_PICTURE}(?P<more>.*)"

_FORMS: tuple[tuple[str, str], ...] = (
    (rf"how many (?P<what>.+?){_THERE}", "Count the {what}{more}. How many is that?"),
    (r"how many (?P<what>[\w-]+)", "Count the {what}. How many is that?"),
    (
        r"(?:what|which) colou?r (?:is|are|has) (?P<what>.+)",
        "Look at {what}. Which colour is to be seen there?",
    ),
    (r"where (?:is|are) (?P<what>.+)", "Find {what}. In which part of the picture is that?"),
    (
        r"what (?:is|do you see|can you see) (?:in front of me|here|in (?:the|this) "
        r"(?:picture|photo|image)|on (?:the|this) (?:picture|photo|image))",
        "Say what can be seen, the most important thing first.",
    ),
    (r"what (?:is|are) (?P<what>this|that|it|these|those)", "What do you see here? Name {what}."),
    (
        r"describe (?P<what>.+)",
        "Tell somebody who cannot see what can be seen of this: {what}.",
    ),
    (r"what does (?P<what>.+) say", "Which words stand on {what}?"),
    (
        r"(?P<what>(?:is|are|was|were|does|do|did|has|have|can) .+)",
        "Look closely before you answer yes or no: {what}?",
    ),
    (r"(?:summarize|sum up) (?P<what>.+)", "In few words, what does {what} tell?"),
    (
        r"what is (?P<what>this letter|the letter|this text|the text|this|it) (?:all )?about",
        "What is the main point of {what}?",
    ),
    (
        r"(?P<what>(?:who|what|when|why|which|whose|how) .+)",
        "Look closely, then answer in one sentence: {what}?",
    ),
)


def reworded(question: str) -> str:
    """An English question in other words; one in another form, or language, as it stands."""
    plain = " ".join(question.replace("\u2019", "'").split()).rstrip(" ?.!")
    plain = re.sub(r"^(what|where|who)'s\b", r"\1 is", plain, flags=re.IGNORECASE)
    bare = re.sub(r"^(?:please|could you|can you)[, ]+(?=\w+ )", "", plain, flags=re.IGNORECASE)
    bare = re.sub(r"[, ]+please$", "", bare, flags=re.IGNORECASE)
    for words in dict.fromkeys((bare, plain)):
        for pattern, form in _FORMS:
            found = re.fullmatch(pattern, words, re.IGNORECASE)
            if found is not None:
                return form.format(**{"more": "", **found.groupdict("")})
    return question

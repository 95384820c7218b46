"""Questions about the pocket model's pictures, brought back to their wordings."""

from models.pocket.training.drawing.canvas import QuestionAnswer


def bare(item: QuestionAnswer) -> str:
    """The question as a wording; only "I" keeps a capital where it begins in one."""
    text = item.question.rstrip("?.")
    return text[0].lower() + text[1:]

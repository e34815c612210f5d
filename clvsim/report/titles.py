"""Title and question of a page whose configuration gives none."""

from clvsim.validation.vocabulary import Vocabulary

VALIDATION = "Do the models predict?"


def run_title(margin_known: bool) -> str:
    return "What the customers are worth" if margin_known else "What the customers will bring in"


def run_question(margin_known: bool) -> str:
    clause = "are the customers worth" if margin_known else "revenue will they bring"
    return f"What {clause}, and which lever pays?"


def validation_question(words: Vocabulary) -> str:
    return f"Which model to trust, and how far, judged by {words.many} they have not seen."

"""A question knows its answer and does not tell it before it is asked."""

import pytest
import traitlets

from fluxkit.view.teach import Question


@pytest.fixture
def question():
    return Question("Which?", ["A", "B", "C"], 1, why="Because.", hint="Look again.")


def test_the_reply_follows_the_choice(question):
    assert question.reply == ""
    question.chosen = 0
    assert question.reply == "Not yet. Look again."
    question.chosen = 1
    assert question.reply == "Right. Because."


def test_another_question_forgets_the_answer(question):
    question.chosen = 2
    question.ask("And now?", ["A", "B"], 0, why="So.")
    assert (question.text, question.chosen, question.reply) == ("And now?", -1, "")
    question.chosen = 0
    assert question.reply == "Right. So."


def test_the_page_is_not_told_which_answer_is_right(question):
    assert {"right", "why", "hint"}.isdisjoint(question.get_state())


def test_answers_that_are_not_there_are_refused(question):
    with pytest.raises(traitlets.TraitError, match="no answer 3; the answers count from 0 to 2"):
        question.chosen = 3
    with pytest.raises(traitlets.TraitError, match="right = 2 is none of the 2 options"):
        Question("Which?", ["A", "B"], 2)

"""What the teaching app is made of: a lesson whose parts share a tracer and a cell, and questions."""

from fluxkit.view.teach.answers import cells_beside, grows_most, least_known, lost_carbon
from fluxkit.view.teach.lesson import Lesson
from fluxkit.view.teach.question import Question

__all__ = ["Lesson", "Question", "lost_carbon", "grows_most", "least_known", "cells_beside"]

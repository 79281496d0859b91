import math

import numpy as np
import pytest
import torch

from nlp.train.towers import LexicalTeacher, distillation, in_batch_loss


def test_the_teacher_is_bm25():
    vocabulary = np.asarray([3, 5, 8])
    answers = [np.asarray([3, 3, 5]), np.asarray([5]), np.asarray([8, 99])]
    questions = [np.asarray([3, 5]), np.asarray([99])]
    teacher = LexicalTeacher(questions, answers, vocabulary, np.asarray([1, 2, 1]))
    with torch.no_grad():
        teacher.scale.fill_(1.0)
        found = teacher.logits([0, 1], [1, 0, 2]).numpy()

    def part(count, length, df):
        idf = math.log(1 + (3 - df + 0.5) / (df + 0.5))
        return idf * count / (count + 1.2 * (0.25 + 0.75 * length / 2))

    assert found[0] == pytest.approx([part(1, 1, 2), part(2, 3, 1) + part(1, 3, 2), 0.0], abs=1e-5)
    assert found[1].tolist() == [0.0, 0.0, 0.0]  # a term that nobody knows


def test_distillation_is_zero_for_equals_and_grows_with_the_difference():
    teacher = torch.tensor([[2.0, 0.0, -1.0]])
    assert float(distillation(teacher + 5.0, teacher)) == pytest.approx(0.0, abs=1e-6)
    near, far = teacher * 0.5, -teacher
    assert 0 < float(distillation(near, teacher)) < float(distillation(far, teacher))


def test_other_columns_of_the_same_answer_are_right_too():
    logits = torch.tensor([[3.0, 3.0, -50.0]])
    owners, columns = torch.tensor([7]), torch.tensor([7, 7, 9])
    assert float(in_batch_loss(logits, owners, columns)) == pytest.approx(0.0, abs=1e-5)
    alone = in_batch_loss(logits, owners, torch.tensor([7, 8, 9]))
    assert float(alone) == pytest.approx(math.log(2), abs=1e-5)
    assert float(in_batch_loss(logits, owners, torch.tensor([1, 2, 3]))) == 0.0

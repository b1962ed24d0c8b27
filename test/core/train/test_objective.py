"""Losses and the running average, on numbers a reader can check."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')


from m3l_core.train.objective import class_weights, draw_present, supervised_loss  # noqa: E402
from m3l_core.train.teacher import follow  # noqa: E402


def with_mean(streams: torch.Tensor) -> torch.Tensor:
    return torch.cat([streams, streams.mean(0)[None]])


def test_rare_classes_weigh_more_within_limits() -> None:
    weights = class_weights(torch.tensor([1, 25, 50, 924]))
    # 1 / sqrt(K * frequency), K = 4: sqrt(250) clipped to 4, sqrt(10), sqrt(5), 0.52
    assert weights.tolist() == pytest.approx([4, 10**0.5, 5**0.5, (250 / 924) ** 0.5])


def test_each_modality_is_dropped_a_third_of_the_time_and_never_both() -> None:
    present = draw_present(3000, torch.Generator().manual_seed(0))
    assert present.any(1).all()
    assert present.float().mean(0).tolist() == pytest.approx([2 / 3, 2 / 3], abs=0.03)


def test_the_average_takes_buffers_along() -> None:
    student, teacher = torch.nn.BatchNorm1d(1), torch.nn.BatchNorm1d(1)
    student.running_mean.fill_(4.0)
    follow(teacher, student, momentum=0.75, step=1000)
    assert teacher.running_mean.item() == pytest.approx(1)


def test_labels_without_any_class_give_no_loss_and_no_nan() -> None:
    streams = torch.randn(2, 1, 3, 4, 4, requires_grad=True)
    labels = torch.full((1, 8, 8), 255, dtype=torch.uint8)
    loss = supervised_loss(with_mean(streams), labels, torch.ones(3))
    loss.backward()
    assert loss.item() == 0
    assert not streams.grad.any()


def test_void_pixels_teach_nothing() -> None:
    streams = torch.randn(2, 1, 3, 4, 4)
    labels = torch.full((1, 8, 8), 255, dtype=torch.uint8)
    labels[0, 0, 0] = 1
    loss = supervised_loss(with_mean(streams), labels, torch.ones(3))
    corner = torch.cat([streams, streams.mean(0)[None]])[:, 0, :, 0, 0]
    expected = -corner.log_softmax(1)[:, 1].mean()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


def test_teacher_follows_as_published() -> None:
    student, teacher = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    values = []
    for step, value in enumerate((3.0, 1.0, 5.0)):
        torch.nn.init.constant_(student.weight, value)
        follow(teacher, student, momentum=0.99, step=step)
        values.append(teacher.weight.item())
    assert values == pytest.approx([3, 2, 3])  # running means while 1 - 1/(t+1) < 0.99
    torch.nn.init.constant_(student.weight, 103.0)
    follow(teacher, student, momentum=0.99, step=5000)
    assert teacher.weight.item() == pytest.approx(4)

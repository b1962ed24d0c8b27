"""Ways to learn from few labels and many images, by name."""

from __future__ import annotations

from typing import get_args, Literal, TYPE_CHECKING

from m3l_core.train.methods.cps import CrossPseudoSupervision
from m3l_core.train.methods.m3l import M3L
from m3l_core.train.methods.mean_teacher import MeanTeacher
from m3l_core.train.methods.supervised import Supervised

if TYPE_CHECKING:
    from m3l_core.train.methods.m3l_plus import M3LPlus
    from m3l_core.train.methods.method import Method

MethodName = Literal[
    'supervised',
    'supervised_dropout',
    'mean_teacher',
    'mean_teacher_dropout',
    'cps',
    'm3l',
    'm3l_plus',
]

METHODS: tuple[MethodName, ...] = get_args(MethodName)


def make_method(name: MethodName, m3l_plus: M3LPlus) -> Method:
    """Return the method of that name.

    Args:
        name: One of `METHODS`.
        m3l_plus: What `m3l_plus` stands for, with its switches.
    """
    methods: dict[MethodName, Method] = {
        'supervised': Supervised(dropout=False),
        'supervised_dropout': Supervised(dropout=True),
        'mean_teacher': MeanTeacher(dropout=False),
        'mean_teacher_dropout': MeanTeacher(dropout=True),
        'cps': CrossPseudoSupervision(),
        'm3l': M3L(),
        'm3l_plus': m3l_plus,
    }
    return methods[name]

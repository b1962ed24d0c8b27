"""How many pairs a second training takes in, against the network as one would first write it.

Whole steps take turns: forward with both modalities, cross-entropy of both streams and the
ensemble, backward, AdamW, running average. The plain form keeps two streams in a list, upsamples
before it fuses, takes its loss at full size and averages tensor by tensor.

    python benchmarks/training.py [--encoder b0] [--size 120x160] [--batch 8]
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
from time import perf_counter
from typing import TYPE_CHECKING

from plain_network import PlainNetwork
import torch
import torch.nn.functional as F

from m3l_core.architecture import Architecture
from m3l_core.classes import IGNORE, NYU13
from m3l_core.image_size import parse_size
from m3l_core.network import LinearFusion
from m3l_core.train.config import FROM_SCRATCH
from m3l_core.train.methods.method import Images, predictions
from m3l_core.train.objective import supervised_loss
from m3l_core.train.schedule import make_optimizer
from m3l_core.train.teacher import follow

if TYPE_CHECKING:
    from collections.abc import Callable

    Step = Callable[[], None]

ROUNDS = 5
STEPS = 3
MOMENTUM = 0.999


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--encoder', default='b0')
    parser.add_argument('--size', type=parse_size, default=(120, 160))
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    data = make_batch(arguments.batch, arguments.size, device)
    architecture = Architecture.mit(arguments.encoder, num_classes=len(NYU13))
    network = LinearFusion(architecture).to(device).train()
    steps = {'plain': plain_step(copy.deepcopy(network), data), 'ours': our_step(network, data)}
    seconds = take_turns(steps, device)
    rates = {name: arguments.batch / value for name, value in seconds.items()}
    report = {
        'machine': platform.processor() or platform.machine(),
        'device': device.type,
        'threads': torch.get_num_threads(),
        'torch': torch.__version__,
        'encoder': arguments.encoder,
        'size': list(arguments.size),
        'batch': arguments.batch,
        'pairs_per_second': {name: round(rate, 2) for name, rate in rates.items()},
        'ratio': round(rates['ours'] / rates['plain'], 2),
    }
    print(json.dumps(report, indent=2))


def make_batch(
    count: int, size: tuple[int, int], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return normalized color and depth, and labels; what they show does not matter for time."""
    rgb, depth = torch.randn(2, count, 3, *size, device=device)
    labels = torch.randint(len(NYU13), (count, *size), device=device, dtype=torch.uint8)
    return rgb, depth, labels


def our_step(student: LinearFusion, data: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> Step:
    """Return the step of `m3l_core.train.learner` with `supervised_dropout`, batches given."""
    rgb, depth, labels = data
    teacher = copy.deepcopy(student).eval()
    optimizer = make_optimizer([student], FROM_SCRATCH)
    weights = torch.ones(len(NYU13), device=rgb.device)
    present = torch.ones(len(rgb), 2, dtype=torch.bool, device=rgb.device)

    def step() -> None:
        with torch.autocast(rgb.device.type, torch.bfloat16):
            predicted = predictions(student, Images(rgb, depth, labels), present)
        loss = supervised_loss(predicted, labels, weights)
        learn(loss, optimizer, student)
        follow(teacher, student, momentum=MOMENTUM, step=10_000)

    return step


def plain_step(
    network: LinearFusion, data: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
) -> Step:
    """Return the step as one would first write it."""
    rgb, depth, labels = data
    student = PlainNetwork(network).to(rgb.device)
    teacher = copy.deepcopy(student)
    optimizer = torch.optim.AdamW(student.parameters(), FROM_SCRATCH.lr)

    def step() -> None:
        with torch.autocast(rgb.device.type, torch.bfloat16):
            logits = student.stream_logits(rgb, depth)
            shares = student.alpha.softmax(0)
            logits.append(shares[0] * logits[0] + shares[1] * logits[1])
        loss = sum(
            F.cross_entropy(
                F.interpolate(x.float(), labels.shape[-2:], mode='bilinear', align_corners=True),
                labels.long(),
                ignore_index=IGNORE,
            )
            for x in logits
        )
        assert isinstance(loss, torch.Tensor)
        learn(loss, optimizer, student)
        with torch.no_grad():
            for mine, theirs in zip(teacher.parameters(), student.parameters(), strict=True):
                mine.mul_(MOMENTUM).add_(theirs, alpha=1 - MOMENTUM)

    return step


def learn(loss: torch.Tensor, optimizer: torch.optim.Optimizer, model: torch.nn.Module) -> None:
    """Move the weights against the gradient of the loss."""
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), FROM_SCRATCH.clip)
    optimizer.step()


def take_turns(steps: dict[str, Step], device: torch.device) -> dict[str, float]:
    """Return the median seconds of each step, measured in turns after one to warm up."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(ROUNDS + 1):
        for name, step in steps.items():
            began = perf_counter()
            for _ in range(STEPS):
                step()
            if device.type == 'cuda':
                torch.cuda.synchronize()
            if round_number:
                times[name].append((perf_counter() - began) / STEPS)
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == '__main__':
    main()

"""How fast the CPU engine is, against the network as one would first write it.

Five contenders take turns, so that what else the machine does hits all of them alike: eager
PyTorch of the plain network, its ONNX in OpenVINO in float32 and bf16, and ours in both. The
plain ones get normalized images and give logits; ours decodes, normalizes and labels as well.

Beside the times stands the limit: what the graph's products would take if this machine did
nothing but multiply at the rate of one large product, or nothing but copy memory. With --val, the
labels of every engine and precision are also compared with those of the network as it was trained.

    python benchmarks/engine.py [--networks b0 b2] [--sizes 480x640 240x320] [--json]
    python benchmarks/engine.py --val nyuv2
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import sys
import warnings

from engine_labels import validated
from engine_speed import timed
from engine_subject import SHIPPED
from engine_tables import print_speed, print_validation
import torch

from m3l_core.errors import M3lError
from m3l_core.samples import sample_bag


def main() -> int:
    """Measure and print a table or JSON."""
    arguments = parse_arguments()
    warnings.simplefilter('ignore')
    torch.set_num_threads(arguments.threads or torch.get_num_threads())
    try:
        if arguments.val:
            summary = validated(arguments.val, arguments.weights, arguments.threads)
        else:
            summary = timed(
                arguments.networks,
                arguments.sizes,
                weights=arguments.weights,
                frames=arguments.frames,
                threads=arguments.threads,
                in_cpu_time=arguments.cpu_time,
            )
    except M3lError as error:
        print(f'engine.py: {error}', file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(summary))
    elif arguments.val:
        print_validation(summary)
    else:
        print_speed(summary)
    return 0


def parse_arguments() -> argparse.Namespace:
    """Return what to measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--networks', nargs='+', default=['b0', 'b2'], metavar='b0')
    parser.add_argument(
        '--sizes',
        nargs='+',
        default=['480x640', '240x320', SHIPPED],
        metavar='HxW',
        help='of images and network alike; shipped: the sizes of the network that comes along',
    )
    parser.add_argument(
        '--weights', type=Path, help='checkpoint (default: the model that comes along, for b0)'
    )
    parser.add_argument(
        '--frames',
        type=Path,
        default=sample_bag(),
        help='folder or bag (default: the sample bag)',
    )
    parser.add_argument(
        '--val', type=Path, metavar='DATA', help='compare labels on these validation images'
    )
    parser.add_argument('--threads', type=int, default=0, help='0 for all')
    parser.add_argument(
        '--cpu-time',
        action='store_true',
        help="count the CPU's time in one thread, for ratios on a machine that others use too",
    )
    parser.add_argument('--json', action='store_true', help='one JSON object instead of a table')
    arguments = parser.parse_args()
    if arguments.cpu_time:
        arguments.threads = 1
    return arguments


if __name__ == '__main__':
    sys.exit(main())

"""The engine benchmark's results as a person reads them, and what is asked of them."""

from __future__ import annotations

from typing import Any

TARGETS = {  # eager and plain ONNX, from the design
    ('bf16', 'b0', '480x640'): (11, 3),
    ('bf16', 'b0', '240x320'): (11, None),
    ('bf16', 'b2', '480x640'): (10, 3),
    ('bf16', 'b2', '240x320'): (8, None),
}
"""Where bf16 is native in matrix units (AMX); elsewhere float32 counts, with those below."""

FLOAT32_TARGETS = {'480x640': (4, 1.4), '240x320': (4, None)}


def print_speed(summary: dict[str, Any]) -> None:
    """Print the results, and the targets beside those they are for."""
    cpu, headline = summary['cpu'], summary['precision']
    print(f'{cpu["model"]}, {cpu["threads"]} threads, {" ".join(cpu["flags"])}')
    at_best = ', '.join(f'{rate} in {p}' for p, rate in cpu['product_gflops'].items())
    print(f'one large product: {at_best} GFLOP/s; copy: {cpu["copy_gb_per_s"]} GB/s')
    print(f'median of {summary["runs"]} interleaved runs, {cpu["clock"]} time; held to {headline}')
    print(
        f'{"":12} {"":8} {"p50 ms":>8} {"x eager":>8} {"x plain":>8} {"x same":>8} '
        f'{"labels":>8} {"limit ms":>9} {"reached":>8}  target'
    )
    for name, rows in summary['configurations'].items():
        for precision in cpu['product_gflops']:
            _print_row(name, precision, rows[precision], is_held=precision == headline)


def _print_row(name: str, precision: str, row: dict[str, Any], *, is_held: bool) -> None:
    network, size = name.split()
    target = ''
    if is_held:
        target = _asked(TARGETS.get((precision, network, size)) or FLOAT32_TARGETS.get(size))
    labels = row['label_agreement']
    print(
        f'{name:12} {precision:8} {row["p50_ms"]:8.1f} {row["ratio_eager"]:8.2f} '
        f'{row["ratio_plain_onnx"]:8.2f} {row["ratio_same_precision"]:8.2f} '
        f'{"" if labels is None else f"{labels:.2%}":>8} {row["limit_ms"]:9.1f} '
        f'{row["limit_reached"]:8.0%}  {target}'
    )


def _asked(target: tuple[float, float | None] | None) -> str:
    """Return the ratios that are asked for, if any are."""
    if target is None:
        return ''
    over_eager, over_plain = target
    text = f'{over_eager} x eager'
    return text if over_plain is None else f'{text}, {over_plain} x plain'


def print_validation(summary: dict[str, Any]) -> None:
    """Print the agreement of every engine."""
    print(f'{summary["model"]}, {summary["images"]} validation images, against float32 as trained')
    print(f'{"":18} {"":10} {"same labels":>12} {"sure ones":>10} {"mIoU":>7} {"lost":>7}')
    for engine, modes in summary['engines'].items():
        for mode, row in modes.items():
            print(
                f'{engine:18} {mode:10} {row["total"]:11.3f}% {row["sure"]:9.3f}% '
                f'{row["miou"]:7.2f} {row["miou_loss"]:7.3f}'
            )

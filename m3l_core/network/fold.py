"""The exact algebra that makes the network cheaper to run: layers that meet become one layer.

Everything is computed in float64, so that folding itself costs no accuracy.
"""

from __future__ import annotations

from typing import cast, TYPE_CHECKING

from torch import nn, Tensor

if TYPE_CHECKING:
    from m3l_core.network.decoder import Decoder


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """Return the float32 layer of `weight` `(C_out, C_in)` and `bias` `(C_out,)`."""
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({'weight': weight.float(), 'bias': bias.float()})
    return layer


def pointwise(layer: nn.Linear) -> nn.Conv2d:
    """Return the 1x1 convolution that does to each pixel what `layer` does to each token.

    Engines fuse what comes after a convolution into it: sums, activations.
    """
    convolution = nn.Conv2d(layer.in_features, layer.out_features, 1)
    convolution.load_state_dict({'weight': layer.weight[..., None, None], 'bias': layer.bias})
    return convolution


def fold_decoder(decoder: Decoder) -> list[nn.Linear]:
    """Return one layer per scale, finest first, for all that comes before ReLU.

    Each scale's projection, its slice of the fusing convolution and the BatchNorm become one
    linear layer; what BatchNorm adds goes to the finest scale, for it must be added once.
    Upsampling leaves a constant as it is, so the biases of the coarser scales may stay there.
    """
    norm = decoder.norm
    assert norm.running_mean is not None  # noqa: S101 - the decoder's BatchNorm tracks
    assert norm.running_var is not None  # noqa: S101
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.double() - scale * norm.running_mean.double()
    # The published layout concatenates the coarsest scale first.
    slices = reversed(decoder.fuse.weight.double().flatten(1).chunk(len(decoder.scales), dim=1))
    layers = []
    for index, (scale_layer, fuse) in enumerate(zip(decoder.scales, slices, strict=True)):
        project = cast('nn.Linear', scale_layer)
        combined = scale[:, None] * fuse
        bias = combined @ project.bias.double()
        layers.append(
            linear(combined @ project.weight.double(), bias + shift if index == 0 else bias)
        )
    return layers


def fold_equal_channels(convolution: nn.Conv2d) -> nn.Conv2d:
    """Return the one-channel convolution of an input whose channels are all the same.

    The convolution is square and padded by half its kernel, as patch embeddings are.
    """
    folded = nn.Conv2d(
        1,
        convolution.out_channels,
        convolution.kernel_size[0],
        convolution.stride[0],
        convolution.kernel_size[0] // 2,
    )
    weight = convolution.weight.double().sum(1, keepdim=True).float()
    assert convolution.bias is not None  # noqa: S101 - patch embeddings have one
    folded.load_state_dict({'weight': weight, 'bias': convolution.bias})
    return folded

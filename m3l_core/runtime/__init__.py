"""From a frame to label images, with an exported network; needs one engine, and no torch."""

from m3l_core.runtime.engine import Engine
from m3l_core.runtime.opening import open_engine
from m3l_core.runtime.segmenter import Segmentation, Segmenter

__all__ = ['Engine', 'Segmentation', 'Segmenter', 'open_engine']

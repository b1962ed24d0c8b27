"""Unlabeled RGB-D pairs from bags, as a data set that training reads."""

from m3l_core.extract.bag import BagReport
from m3l_core.extract.config import ExtractConfig
from m3l_core.extract.extracting import extract, Extraction

__all__ = ['BagReport', 'ExtractConfig', 'Extraction', 'extract']

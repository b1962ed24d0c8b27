"""The Linear Fusion network (Maheshwari, Liu, Kira; WACV 2024)."""

from m3l_core.architecture import Architecture
from m3l_core.network.network import LinearFusion, Predictions

__all__ = ['Architecture', 'LinearFusion', 'Predictions']

"""RGB-D semantic segmentation that keeps working when a camera stream dies; knows no ROS."""

__version__ = '0.1.0'

"""Recorded RGB-D streams: reading rosbag2 and ROS 1 bags, and making them. No ROS needed."""

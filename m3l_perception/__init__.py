"""ROS in, ROS out: the only package here that imports rclpy and message packages. Thin."""

"""Messages as rosbags reads them from a bag are decoded like any other."""

from __future__ import annotations

from typing import Any

from image_messages import compressed, depth_data, DEPTH_MM, H, padded, raw, RGB, rvl, SMOOTH, W
import numpy as np
import pytest

from m3l_core.stream.decoding import decode
from m3l_core.stream.image_codec import decode_rgb, encode_jpeg

typesys = pytest.importorskip('rosbags.typesys')


def from_bag(message: Any) -> Any:
    """Return a message with these attributes, written to bytes and read as a bag's are."""
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    kind = 'CompressedImage' if hasattr(message, 'format') else 'Image'
    stamp = store.types['builtin_interfaces/msg/Time'](1, 2)
    header = store.types['std_msgs/msg/Header'](stamp, 'camera')
    fields = {**vars(message), 'data': np.frombuffer(message.data, np.uint8), 'header': header}
    name = f'sensor_msgs/msg/{kind}'
    return store.deserialize_cdr(store.serialize_cdr(store.types[name](**fields), name), name)


@pytest.mark.parametrize(
    'message',
    [
        raw('rgb8', RGB, step=W * 3 + 1, data=padded(RGB, W * 3 + 1)),
        raw('bgr16', RGB[..., ::-1].astype('>u2') * 256, is_bigendian=1),
        raw('bayer_rggb8', RGB[..., 0]),
        raw('nv12', RGB[:, :, 0], data=RGB.tobytes()[: H * W * 3 // 2]),
        compressed('rgb8; jpeg compressed bgr8', encode_jpeg(SMOOTH)),
    ],
    ids=lambda message: getattr(message, 'encoding', 'jpeg'),
)
def test_color_of_a_bag(message: Any) -> None:
    decoded = decode(from_bag(message), None)
    assert decoded.problems == ()
    np.testing.assert_array_equal(decoded.frame.rgb, decode_rgb(message))
    assert (decoded.frame.stamp_ns, decoded.frame.frame_id) == (1_000_000_002, 'camera')


@pytest.mark.parametrize(
    'message',
    [
        raw('16UC1', DEPTH_MM),
        raw('16UC1', DEPTH_MM.astype('>u2'), is_bigendian=1),
        raw('32FC1', DEPTH_MM.astype(np.float32) / 1000),
        compressed('16UC1; compressedDepth rvl', depth_data(rvl(DEPTH_MM))),
    ],
)
def test_depth_of_a_bag(message: Any) -> None:
    depth_m = decode(None, from_bag(message)).frame.depth_m
    np.testing.assert_array_equal(np.rint(depth_m * 1000), DEPTH_MM)

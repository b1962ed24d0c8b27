"""Making a bag: RGB-D images, labels and camera info as rosbag2 (mcap), all of it or nothing."""

from __future__ import annotations

from pathlib import Path
import shutil
import tempfile
from typing import Any, Literal, TYPE_CHECKING

import numpy as np

from m3l_core.bags.parts import typestore
from m3l_core.bags.topics import CAMERA_INFO_TOPIC, DEPTH_TOPIC, FRAME_ID, LABELS_TOPIC, RGB_TOPIC
from m3l_core.errors import BagError, expect_array
from m3l_core.stream.image_codec import encode_compressed_depth, encode_jpeg
from m3l_core.stream.image_header import read_header

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray
    from typing_extensions import Self

Transport = Literal['raw', 'compressed']


class BagWriter:
    """Writes one camera's images; use it as a context manager.

    Leaving the block renames the finished bag into place; leaving it by an exception removes
    what was written. Receive times equal stamps unless given.

    Args:
        path: Folder of the bag to make.
        transport: `compressed` writes JPEG and compressedDepth PNG in zstd chunks (so labels
            shrink too), `raw` writes pixels.
        force: Replace a bag that is there already.
        frame_id: Optical frame of the color camera, which depth is registered to.
        jpeg_quality: 1 to 100.

    Raises:
        BagError: If the path is taken, or cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        transport: Transport = 'compressed',
        force: bool = False,
        frame_id: str = FRAME_ID,
        jpeg_quality: int = 90,
    ) -> None:
        self._path = Path(path)
        self._compressed = transport == 'compressed'
        self._frame_id = frame_id
        self._jpeg_quality = jpeg_quality
        self._connections: dict[str, Any] = {}
        _check_target(self._path, force=force)
        parent = self._path.absolute().parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=f'.{self._path.name}.', dir=parent))
        except OSError as error:
            raise _cannot_write(self._path, error) from error
        try:
            self._open()
        except BaseException:
            shutil.rmtree(self._folder)
            raise

    def _open(self) -> None:
        self._store = typestore('Writing bags')
        from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

        # Version 8 is the newest whose QoS text Humble reads too.
        self._writer = Writer(
            self._folder / self._path.name, version=8, storage_plugin=StoragePlugin.MCAP
        )
        if self._compressed:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        try:
            self._writer.open()
        except OSError as error:
            raise _cannot_write(self._path, error) from error

    def write_rgb(
        self, rgb: NDArray[np.uint8], stamp_ns: int, *, receive_ns: int | None = None
    ) -> None:
        """Write a color image, `(H, W, 3)` RGB."""
        expect_array('rgb', rgb, (None, None, 3), np.uint8)
        if self._compressed:
            self.write_encoded_rgb(
                encode_jpeg(rgb, self._jpeg_quality), stamp_ns, receive_ns=receive_ns
            )
        else:
            self._write_image(RGB_TOPIC, 'rgb8', rgb, stamp_ns, receive_ns)

    def write_encoded_rgb(
        self, data: bytes, stamp_ns: int, *, receive_ns: int | None = None
    ) -> tuple[int, int]:
        """Write a JPEG or PNG as it is, whatever the transport; return its height and width.

        Raises:
            FrameError: If the bytes are no whole JPEG or PNG.
        """
        header = read_header('rgb', memoryview(data))
        format_name = f'rgb8; {header.kind} compressed bgr8'
        self._write_compressed(f'{RGB_TOPIC}/compressed', format_name, data, stamp_ns, receive_ns)
        return header.height, header.width

    def write_depth(
        self, depth_mm: NDArray[np.uint16], stamp_ns: int, *, receive_ns: int | None = None
    ) -> None:
        """Write a depth image, `(H, W)` millimeters, 0 where there is no reading."""
        expect_array('depth_mm', depth_mm, (None, None), np.uint16)
        if self._compressed:
            self._write_compressed(
                f'{DEPTH_TOPIC}/compressedDepth', '16UC1; compressedDepth png',
                encode_compressed_depth(depth_mm), stamp_ns, receive_ns,
            )  # fmt: skip
        else:
            self._write_image(DEPTH_TOPIC, '16UC1', depth_mm, stamp_ns, receive_ns)

    def write_labels(
        self, labels: NDArray[np.uint8], stamp_ns: int, *, receive_ns: int | None = None
    ) -> None:
        """Write a label image, `(H, W)` class ids, 255 = void."""
        expect_array('labels', labels, (None, None), np.uint8)
        self._write_image(LABELS_TOPIC, 'mono8', labels, stamp_ns, receive_ns)

    def write_camera_info(
        self,
        camera_matrix: NDArray[np.float64],
        size: tuple[int, int],
        stamp_ns: int,
        *,
        receive_ns: int | None = None,
    ) -> None:
        """Write the `(3, 3)` matrix of an undistorted camera with images of `size` (H, W)."""
        matrix = np.asarray(camera_matrix, np.float64)
        expect_array('camera_matrix', matrix, (3, 3), np.float64)
        types = self._store.types
        region = types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
        message = types['sensor_msgs/msg/CameraInfo'](
            header=self._header(stamp_ns), height=size[0], width=size[1],
            distortion_model='plumb_bob', d=np.zeros(5), k=matrix.ravel(), r=np.eye(3).ravel(),
            p=np.hstack([matrix, np.zeros((3, 1))]).ravel(), binning_x=0, binning_y=0, roi=region,
        )  # fmt: skip
        self._write(CAMERA_INFO_TOPIC, message, stamp_ns, receive_ns)

    def _write_image(
        self, topic: str, encoding: str, image: NDArray[Any], stamp_ns: int, receive_ns: int | None
    ) -> None:
        height, width = image.shape[:2]
        pixels = np.ascontiguousarray(image, image.dtype.newbyteorder('<'))
        message = self._store.types['sensor_msgs/msg/Image'](
            header=self._header(stamp_ns), height=height, width=width, encoding=encoding,
            is_bigendian=0, step=pixels.nbytes // height, data=pixels.reshape(-1).view(np.uint8),
        )  # fmt: skip
        self._write(topic, message, stamp_ns, receive_ns)

    def _write_compressed(
        self, topic: str, format_name: str, data: bytes, stamp_ns: int, receive_ns: int | None
    ) -> None:
        message = self._store.types['sensor_msgs/msg/CompressedImage'](
            header=self._header(stamp_ns), format=format_name, data=np.frombuffer(data, np.uint8)
        )
        self._write(topic, message, stamp_ns, receive_ns)

    def _header(self, stamp_ns: int) -> Any:  # noqa: ANN401
        types = self._store.types
        stamp = types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 1_000_000_000))
        return types['std_msgs/msg/Header'](stamp, self._frame_id)

    def _write(self, topic: str, message: Any, stamp_ns: int, receive_ns: int | None) -> None:  # noqa: ANN401
        kind = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self._store
            )
        data = self._store.serialize_cdr(message, kind)
        try:
            self._writer.write(
                self._connections[topic], stamp_ns if receive_ns is None else receive_ns, data
            )
        except OSError as error:
            raise _cannot_write(self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the bag and put it in place, or remove it when there was an error."""
        try:
            self._writer.__exit__(kind, error, traceback)
            if kind is None:
                self._put_in_place()
        except OSError as failure:
            raise _cannot_write(self._path, failure) from failure
        finally:
            shutil.rmtree(self._folder)

    def _put_in_place(self) -> None:
        if not self._connections:
            raise BagError(f'{self._path}: expected at least one message, got none to write.')
        if self._path.exists():
            self._path.rename(self._folder / 'replaced')
        (self._folder / self._path.name).rename(self._path)


def _check_target(path: Path, *, force: bool) -> None:
    """Refuse to overwrite unasked, and to delete a folder that is no bag even when asked."""
    if not path.exists():
        return
    if not force:
        raise BagError(f'{path}: exists already. Give another name, or --force to replace it.')
    if not (path / 'metadata.yaml').is_file():
        raise BagError(
            f'{path}: expected a bag to replace, got something else. Give another name.'
        )


def _cannot_write(path: Path, error: OSError) -> BagError:
    return BagError(
        f'{path}: cannot be written: {error.strerror or error}. Give a folder with room.'
    )

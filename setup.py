"""Metadata and contents of the package, for pip and for colcon (ament_python) alike."""

from __future__ import annotations

from pathlib import Path
import re

from setuptools import find_packages, setup

NAME = 'm3l_perception'
ROOT = Path(__file__).parent
VERSION = re.search(  # read, not imported: m3l_core needs numpy, building does not
    r"__version__ = '(.+)'", (ROOT / 'm3l_core/__init__.py').read_text(encoding='utf-8')
).group(1)

# The wheels of ROS 2's client library exist for these only; elsewhere a distribution brings it.
ROS_WHEELS = 'platform_machine == "x86_64" and sys_platform == "linux" and python_version < "3.14"'

EXTRAS = {
    # before 2.6, torch.load(weights_only=True) could still be made to run code (CVE-2025-32434)
    # matplotlib draws the plots of m3l benchmark, which goes without them where it is missing
    'train': ['torch>=2.6', 'safetensors', 'onnx', 'rich', 'tensorboard', 'matplotlib'],
    'openvino': ['openvino>=2024.4'],
    # From 10.3 on, networks are strongly typed, which the exported graph relies on. On a Jetson
    # TensorRT comes with JetPack; the wheels are made for other machines with that processor.
    # Before 2020.1, pycuda knows no primary context.
    'tensorrt': ['tensorrt>=10.3; platform_machine == "x86_64"', 'pycuda>=2020.1', 'onnx'],
    'ros': [
        f'{name}; {ROS_WHEELS}'
        for name in (
            'ros-rclpy[fastrtps]',
            'ros-sensor-msgs',
            'ros-std-msgs',
            'ros-diagnostic-msgs',
            'ros-lifecycle-msgs',
        )
    ],
    # 0.10 reads no single .mcap files
    'bags': ['rosbags>=0.11', 'rich'],
    'rooms': ['mujoco', 'rich'],
    'ray': ['ray'],
    # what SUN RGB-D as published is read with
    'sun': ['h5py', 'scipy'],
    # a second reader of graphs, beside the engine they are made for
    'test': ['pytest', 'hypothesis', 'mypy', 'ruff', 'h5py', 'scipy', 'onnxruntime'],
}


def files_under(folder: str, relative_to: str = '.') -> list[str]:
    """Return every file below `folder`; setuptools 59 knows no recursive patterns."""
    found = sorted(path for path in (ROOT / folder).rglob('*') if path.is_file())
    return [str(path.relative_to(ROOT / relative_to)) for path in found if path.suffix != '.pyc']


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """Return `folder` as `data_files` below the package's share folder, subfolders kept."""
    by_parent: dict[str, list[str]] = {}
    for file in files_under(folder):
        by_parent.setdefault(f'share/{NAME}/{Path(file).parent}', []).append(file)
    return list(by_parent.items())


setup(
    name=NAME,
    version=VERSION,
    description='RGB-D semantic segmentation for robots that keeps publishing labels when a '
    'camera stream dies, and learns from the unlabeled images that robots record anyway.',
    long_description=(
        (ROOT / 'README.md').read_text(encoding='utf-8') if (ROOT / 'README.md').exists() else ''
    ),
    long_description_content_type='text/markdown',
    author='The M3L maintainers',
    maintainer='The M3L maintainers',
    maintainer_email='m3l-maintainers@example.com',
    license='Apache-2.0',
    keywords=['ROS 2', 'RGB-D', 'semantic segmentation', 'robotics'],
    classifiers=[
        'Intended Audience :: Developers',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    python_requires='>=3.10',
    packages=find_packages(include=['m3l_core', 'm3l_core.*', NAME, f'{NAME}.*']),
    package_data={
        'm3l_core': [
            file
            for folder in ('m3l_core/models', 'm3l_core/samples')
            for file in files_under(folder, relative_to='m3l_core')
            if not file.endswith('.py')
        ]
        + ['replay/report/page.css', 'replay/report/page.js'],
        NAME: ['*.xml'],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        *shared('launch'),
        *shared('config'),
    ],
    zip_safe=False,
    install_requires=['numpy>=1.21', 'opencv-python-headless>=4.5', 'PyYAML>=5.4'],
    extras_require=EXTRAS,
    entry_points={
        'console_scripts': [
            'm3l = m3l_core.cli:main',
            f'segment = {NAME}.segment:main',
            f'play = {NAME}.play:main',
            f'doctor = {NAME}.doctor:main',
        ],
        'm3l.commands': [
            f'play = {NAME}.play',
            f'demo = {NAME}.demo',
            f'doctor = {NAME}.doctor',
        ],
    },
)

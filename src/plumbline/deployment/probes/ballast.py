"""Which files of an image a model server does not need, told by their paths alone."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["gpu", "tools", "cache", "data", "deleted", "twice"]
"""GPU libraries, tools that build, what installers keep, training data, hidden by a higher layer, one file again."""

_GPU = re.compile(
    r"""(?:^|/)(?:site|dist)-packages/(?:nvidia|triton|cupy|cupy_backends|tensorrt_libs|jax_cuda12_plugin)/
    |(?:^|/)lib(?:cudnn|cublas|cufft|cusparse|cusolver|curand|nccl|nvrtc|nvinfer|nvJitLink|nvshmem|torch_cuda|c10_cuda
        |tensorflow_cuda|onnxruntime_providers_(?:cuda|tensorrt))[\w.+-]*\.so[\d.]*$
    |^usr/local/cuda[^/]*/|^opt/rocm[^/]*/""",
    re.VERBOSE,
)
_TOOLS = re.compile(
    r"""^usr/(?:lib|libexec|local/lib)/(?:gcc|llvm[^/]*|go[^/]*|git-core)/
    |^usr/(?:local/)?include/|^usr/share/(?:cmake|doc|man|perl)[^/]*/|(?:^|/)\.(?:cargo|rustup)/
    |^usr/bin/(?:[\w-]*-)?(?:gcc|g\+\+|cpp|c\+\+|ld|lto-dump|cmake|git|make)(?:[-.][\w.]+)?$
    |^usr/lib/[^/]+/[^/]+\.a$|\.whl$""",
    re.VERBOSE,
)
_CACHE = re.compile(
    r"""(?:^|/)\.cache/(?:pip|uv|pypoetry|pre-commit|go-build|bazel)/|(?:^|/)\.npm/_cacache/|(?:^|/)conda[^/]*/pkgs/
    |^var/lib/apt/lists/|^var/cache/(?:apt|apk|yum|dnf|debconf)/|^opt/conda/pkgs/""",
    re.VERBOSE,
)
_DATA = re.compile(
    r"""(?:^|/)\.git/|\.(?:parquet|feather|tfrecord|ipynb)$|(?:^|/)checkpoints?/
    |(?:^|/)(?:data|datasets?|raw|train(?:ing)?)/(?:.*/)?[^/]+\.(?:csv|tsv|jsonl|np[yz]|zip|gz|tar|arrow)$""",
    re.VERBOSE,
)
_PACKAGES = re.compile(r"(?:^|/)(?:site|dist)-packages/")


def kind(path: str, *, gpu: bool) -> Kind | None:
    """Return what a file is, if a server of models does without it.

    Args:
        path: In the image, without a leading `/`.
        gpu: The image says that it is for machines with a GPU.
    """
    if _GPU.search(path):
        return None if gpu else "gpu"
    if _CACHE.search(path):
        return "cache"
    if _TOOLS.search(path):
        return "tools"
    if _DATA.search(path) and not _PACKAGES.search(path):  # libraries bring examples, which are theirs
        return "data"
    return None

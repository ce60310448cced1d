"""Weights of networks in files: read strictly, translated where another library wrote them, fetched by a word."""

import os
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strata._download import RemoteFile, fetch_files
from strata._files import cache_home
from strata._npz import read_npz
from strata._tensors import read_tensors, write_tensors
from strata.errors import DataError, MissingExtraError, ModelRefusedError
from strata.models._layouts import translated
from strata.models.heads import head_of
from strata.models.registry import model_info

__all__ = ["convert_checkpoint", "fetch_weights", "load_weights", "pretrained_weights", "save_weights"]

#: Folder of the weights that ship with the package: NAME_WORD.safetensors beside its card NAME_WORD.md.
PRETRAINED = Path(__file__).parent / "pretrained"
#: Networks with weights in torchvision, by the word that asks for them.
TORCHVISION = {
    "imagenet": (
        "alexnet", "googlenet", "resnet101", "resnet152", "resnet18", "resnet34", "resnet50", "squeezenet1_1",
        "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
    ),
    "imagenet_v2": ("resnet101", "resnet152", "resnet50"),
}  # fmt: skip
ENTRIES = {"imagenet": "IMAGENET1K_V1", "imagenet_v2": "IMAGENET1K_V2"}
MAX_CHECKPOINT = 4 << 30


def pretrained_weights(name: str) -> tuple[str, ...]:
    """List the words that ``build(name, weights=...)`` takes.

    Parameters
    ----------
    name : str
        A registered network.

    Returns
    -------
    words : tuple of str
        Those of files that ship with the package, which need no network; "imagenet" and "imagenet_v2" where torchvision
        publishes weights, which are fetched once.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> pretrained_weights("resnet50"), pretrained_weights("lenet5_1998")
    (('imagenet', 'imagenet_v2'), ())
    """
    model_info(name)
    shipped = sorted(path.stem.removeprefix(f"{name}_") for path in PRETRAINED.glob(f"{name}_*.safetensors"))
    shipped = [word for word in shipped if _shipped(name, word).is_file() and "_" not in word]
    return (*shipped, *(word for word, names in TORCHVISION.items() if name in names))


def _shipped(name: str, word: str) -> Path:
    return PRETRAINED / f"{name}_{word}.safetensors"


def fetch_weights(
    name: str,
    word: str = "imagenet",
    *,
    offline: bool | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
) -> Path:
    """Find the file of published weights, fetching it once where it does not ship with the package.

    Parameters
    ----------
    name : str
        A registered network.
    word : str, default="imagenet"
        Which weights, see :func:`pretrained_weights`.
    offline : bool, optional
        With True no connection is opened. By default the environment decides: ``STRATA_OFFLINE=1``.
    on_bytes : callable, optional
        Called with ``(bytes so far, bytes in all)``, for a progress bar.

    Returns
    -------
    path : Path
        The file, in the package or in the cache; its hash was checked.

    Raises
    ------
    ValueError
        If there are no such weights.
    MissingExtraError
        If torchvision, which knows where its weights are, is not installed.
    OfflineError
        If the file is missing and the network is switched off.
    DataError
        If what came is not the published file; nothing is kept of it.
    OSError
        If the address does not answer, the connection breaks or is too slow, or the disk is full.

    Examples
    --------
    >>> fetch_weights("resnet18", "cifar100")
    Traceback (most recent call last):
    ...
    ValueError: `weights` of 'resnet18' must be the path of a file or one of: imagenet. Received: 'cifar100'.
    """
    words = pretrained_weights(name)
    if word not in words:
        known = f"the path of a file or one of: {', '.join(words)}" if words else "the path of a file"
        raise ValueError(f"`weights` of {name!r} must be {known}. Received: {word!r}.")
    if word not in ENTRIES:
        return _shipped(name, word)
    file = _published(name, word)
    folder = cache_home() / "weights"
    fetch_files(f"weights={word!r} of {name!r}", (file,), folder, offline=offline, on_bytes=on_bytes)
    return folder / file.name


def _published(name: str, word: str) -> RemoteFile:
    """Ask torchvision's own entry for the address; the file's name ends in the head of its SHA-256."""
    try:
        from torchvision.models import get_model_weights
    except ImportError:
        raise MissingExtraError(
            f"weights={word!r} needs torchvision, which publishes them. Install it: pip install 'strata[vision]'."
        ) from None
    entry = get_model_weights(name)[ENTRIES[word]]
    file = entry.url.rsplit("/", 1)[1]
    digest = file.rsplit("-", 1)[1].removesuffix(".pth")
    return RemoteFile(file, (entry.url,), int(entry.meta["_file_size"] * 2**20), digest, exact=False)


def load_weights(network: nn.Module, source: str | os.PathLike[str] | Mapping[str, Tensor]) -> tuple[str, ...]:
    """Put the weights of a file into a network.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place, after everything was checked.
    source : str, path or mapping of str to Tensor
        A ``.safetensors`` or ``.npz`` file with the names of the network's own state, or with those of Keras for
        ``mobilenet_v1`` and ``squeezenet1_1``; or the tensors themselves, as :func:`convert_checkpoint` gives them.

    Returns
    -------
    fresh : tuple of str
        Names that stay as they were: the head, where the source has none or one with another number of classes, and
        auxiliary heads that it does not have.

    Raises
    ------
    ModelRefusedError
        If the file is damaged, is a pickle, holds values that are not finite, or is not of this network.
    OSError
        If the file cannot be opened.

    Notes
    -----
    A network with one input channel takes weights for several: the kernels of the first convolution are added up, which
    is the same as showing it the grey image in every channel.

    Examples
    --------
    >>> from strata.models import build
    >>> ten, three = build("resnet20", seed=0), build("resnet20", n_classes=3, seed=1)
    >>> load_weights(three, ten.state_dict())
    ('linear.bias', 'linear.weight')
    >>> bool((three.conv1.weight == ten.conv1.weight).all())
    True
    """
    name = getattr(network, "strata_name", None)
    info = model_info(name) if isinstance(name, str) else None
    where: object = "The mapping" if isinstance(source, Mapping) else Path(source)
    tensors = dict(source) if isinstance(source, Mapping) else _read(Path(source))
    tensors = translated(where, tensors, info)
    heads = (head_of(network), *(info.other_heads if info is not None else ()))
    state, fresh = _fitted(where, network.state_dict(), tensors, heads)
    network.load_state_dict(state, strict=False)
    return fresh


def save_weights(network: nn.Module, path: str | os.PathLike[str]) -> str:
    """Write the weights of a network to a file that :func:`load_weights` reads.

    Parameters
    ----------
    network : torch.nn.Module
        Its state is written as it is.
    path : str or path
        A ``.safetensors`` file; an existing one is replaced.

    Returns
    -------
    digest : str
        SHA-256 of the file, in hexadecimal.

    Raises
    ------
    ValueError
        If the file has another suffix.
    OSError
        If it cannot be written.
    """
    if Path(path).suffix != ".safetensors":
        raise ValueError(f"`path` must end in .safetensors. Received: path={str(path)!r}.")
    return write_tensors(Path(path), network.state_dict())


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return read_tensors(path)
    if path.suffix == ".npz":
        try:
            arrays = read_npz(path)
        except DataError as error:
            raise ModelRefusedError(str(error)) from None
        wrong = [name for name, array in arrays.items() if array.dtype.kind not in "fiu"]
        if wrong:
            raise ModelRefusedError(f"{path} is refused: {wrong[0]!r} holds no numbers.")
        return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    raise ModelRefusedError(
        f"{path} is refused: weights are read from .safetensors and .npz files. A checkpoint of PyTorch is a pickle; "
        "if you trust it, read it with strata.models.convert_checkpoint and pass on what that gives."
    )


def _fitted(
    path: object, expected: Mapping[str, Tensor], tensors: dict[str, Tensor], heads: tuple[str, ...]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Compare every tensor with what the network has; return what to load and what stays fresh."""
    optional = tuple(f"{head.rpartition('.')[0]}." for head in heads[1:])  # auxiliary heads as a whole
    misfits = {
        head
        for head in heads
        for key in expected
        if key.startswith(f"{head}.") and (key not in tensors or tensors[key].shape != expected[key].shape)
    }
    state: dict[str, Tensor] = {}
    fresh: list[str] = []
    first = next((key for key, value in expected.items() if value.ndim == 4), "")
    for key, own in expected.items():
        if any(key.startswith(f"{head}.") for head in misfits):
            fresh.append(key)
        elif key not in tensors and key.endswith("num_batches_tracked"):
            state[key] = torch.zeros_like(own)
        elif key not in tensors and optional and key.startswith(optional):
            fresh.append(key)
        elif key not in tensors:
            raise ModelRefusedError(f"{path} is refused: {key!r} is missing, so it is not of this network.")
        else:
            state[key] = _checked(path, key, tensors[key], own, is_first=key == first)
    strangers = [key for key in tensors if key not in expected and not (optional and key.startswith(optional))]
    if strangers:
        raise ModelRefusedError(f"{path} is refused: {strangers[0][:60]!r} is no weight of this network.")
    return state, tuple(sorted(fresh))


def _checked(path: object, key: str, value: Tensor, own: Tensor, *, is_first: bool) -> Tensor:
    if is_first and value.ndim == 4 and own.shape[1] == 1 < value.shape[1]:
        value = value.float().sum(dim=1, keepdim=True)
    if value.shape != own.shape:
        raise ModelRefusedError(
            f"{path} is refused: {key!r} has shape {list(value.shape)}, and this network needs {list(own.shape)}."
        )
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        raise ModelRefusedError(f"{path} is refused: {key!r} holds NaN or infinity.")
    return value.to(own.dtype)


def convert_checkpoint(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the weights in a checkpoint of PyTorch, which is a pickle: by explicit call only.

    Parameters
    ----------
    path : str or path
        A ``.pth``, ``.pt`` or ``.th`` file, of the new (zip) or the old format.

    Returns
    -------
    tensors : dict of str to Tensor
        On the CPU. Where the file wraps them ("state_dict", "model"), they are unwrapped; where all names begin with
        "module.", that is taken off.

    Raises
    ------
    ModelRefusedError
        If the file holds anything but plain tensors, numbers and text, is damaged, or holds values that are not finite.
    OSError
        If the file cannot be opened.

    Notes
    -----
    PyTorch's restricted unpickler is used, never the general one, so that no code in the file runs.
    """
    place = Path(path)
    with place.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
    if size > MAX_CHECKPOINT:
        raise ModelRefusedError(f"{place} is refused: {size} bytes are more than the {MAX_CHECKPOINT} that are read.")
    _check_archive(place, size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the old format speaks of its age
            content = torch.load(place, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        why = str(error).split("\n")[0].split(". ")[0]
        raise ModelRefusedError(f"{place} is refused: it is not a file of plain tensors ({why[:160]}).") from None
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise ModelRefusedError(f"{place} is refused: it cannot be read ({type(error).__name__}).") from None
    tensors = _unwrapped(place, content)
    for name, tensor in tensors.items():
        plain = tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_complex()
        if not plain or tensor.device.type != "cpu" or tensor.numel() * tensor.element_size() > size:
            raise ModelRefusedError(f"{place} is refused: {name[:60]!r} is no plain tensor within the file.")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelRefusedError(f"{place} is refused: {name[:60]!r} holds NaN or infinity.")
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _check_archive(path: Path, size: int) -> None:
    """Refuse a zip file that would grow while it is read; PyTorch stores its members uncompressed."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise ModelRefusedError(f"{path} is refused: it cannot be read ({error}).") from None
    compressed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if compressed or sum(member.file_size for member in members) > size:
        raise ModelRefusedError(f"{path} is refused: its members are compressed or overlap.")


def _unwrapped(path: Path, content: Any) -> dict[str, Tensor]:
    """Find the mapping from names to tensors."""
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise ModelRefusedError(f"{path} is refused: it holds no mapping from names to tensors.")
    wrong = [key for key, value in content.items() if not isinstance(key, str) or not isinstance(value, Tensor)]
    if wrong:
        raise ModelRefusedError(f"{path} is refused: {str(wrong[0])[:60]!r} is not a tensor with a name.")
    prefix = "module." if all(key.startswith("module.") for key in content) else ""
    return {key.removeprefix(prefix): value for key, value in content.items()}

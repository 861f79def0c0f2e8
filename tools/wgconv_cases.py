"""Case folders for `wgconv check` and `wgconv run`, from one's own PyTorch layers.

    import torch, wgconv_cases
    layer = torch.nn.Conv2d(8, 16, 3, stride=2, padding=1)
    wgconv_cases.dump("cases/stem", layer, torch.randn(2, 8, 33, 31))
    # wgconv check cases/stem

`dump` takes a module, `dump_call` a call of `torch.nn.functional` or `torchvision.ops`, `dump_model` every convolution of
a network as it runs, with the gradient that reaches it. What the folder holds is worked out in float64 from the float32
tensors; the tolerances are worst cases of float32 sums in any order (README.md). `write_case` writes what one has worked
out oneself and needs nothing but the standard library.
"""

from __future__ import annotations

import json
import math
import shutil
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

FORMAT = 1
"""Version of the format."""

UNIT = 2.0**-24
"""Unit roundoff of float32."""

SAMPLE_ROUNDINGS = 12
"""Roundings of a bilinear sample and its weights, on top of those of a sum."""

_NPY = {"f": "<f4", "d": "<f8", "B": "|u1", "b": "|i1", "?": "|b1"}
_FROM_NPY = {"<f4": "f", "<f8": "d", "<i4": "i", "<i8": "q", "|u1": "B", "|i1": "b", "|b1": "?"}
_NAMES = {"<f4": "float32", "<f8": "float64", "<i4": "int32", "<i8": "int64", "|u1": "uint8", "|i1": "int8", "|b1": "bool"}


class CaseError(ValueError):
    """A request that no case can hold: the message names the field, its value and the rule."""


class Tolerance(NamedTuple):
    """|got - want| <= atol + rtol * |want|."""

    atol: float
    rtol: float = 0.0
    atol_typical: float | None = None
    exact: bool = False

    @classmethod
    def of_sum(cls, terms: float, max_sum_abs: float, extra: float = 0.0) -> Tolerance:
        """The worst case of a float32 sum of so many products in any order, and what PyTorch stays below."""
        roundings = (terms + 2) * UNIT
        if roundings >= 1:
            raise CaseError(f"terms = {terms:g}: a float32 sum of so many products has no bound")
        atol = roundings / (1 - roundings) * max_sum_abs + extra
        return cls(atol, atol_typical=min(atol, 12 * UNIT * max_sum_abs + extra))


# --- files, with the standard library alone ----------------------------------------------------------------------------


def _descr(format: str, itemsize: int) -> str:
    if format in _NPY:
        return _NPY[format]
    if format in "ilq":
        return f"<i{itemsize}"
    raise CaseError(f"dtype = {format!r}: it must be float32, float64, int32, int64, uint8, int8 or bool")


def npy_bytes(array: Any) -> bytes:
    """The .npy file of anything with the buffer protocol: a NumPy array, or a shaped memoryview."""
    view = memoryview(array)
    descr = _descr(view.format.lstrip("<=@"), view.itemsize)
    extents = "".join(f"{extent}, " for extent in view.shape or ()).rstrip()
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}"
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode("latin1") + view.tobytes()


def read_npy(path: str | Path) -> memoryview:
    """A .npy file as a shaped memoryview; `numpy.asarray` takes it as it is."""
    import ast

    data = Path(path).read_bytes()
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        raise CaseError(f"{path}: it is no .npy file")
    start, size = (10, "<H") if data[6] == 1 else (12, "<I")
    (length,) = struct.unpack_from(size, data, 8)
    header = ast.literal_eval(data[start : start + length].decode("latin1"))
    descr, shape = header["descr"], tuple(header["shape"])
    if header["fortran_order"] or descr not in _FROM_NPY:
        raise CaseError(f"{path}: descr = {descr!r}, fortran_order = {header['fortran_order']}: not read here")
    body = memoryview(data)[start + length :]
    form = _FROM_NPY[descr]
    if len(body) != math.prod(shape) * struct.calcsize(form):
        raise CaseError(f"{path}: shape = {shape}: it holds {len(body)} bytes")
    # A memoryview has no shape without elements.
    return body.cast(form, shape) if len(body) and shape else body.cast(form)


def shaped(values: Sequence[float], shape: Sequence[int], format: str = "f") -> memoryview:
    """Numbers as an array, without NumPy."""
    import array

    if len(values) != math.prod(shape):
        raise CaseError(f"shape = {tuple(shape)}: there are {len(values)} values")
    return memoryview(array.array(format, values)).cast("B").cast(format, tuple(shape))


def write_case(
    folder: str | Path,
    op: str,
    attrs: Mapping[str, Any],
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    tolerance: Mapping[str, Tolerance] | None = None,
    *,
    source: Mapping[str, Any] | None = None,
    tags: Sequence[str] = (),
    expect_error: bool = False,
) -> Path:
    """Writes a case; an earlier one of that name gives way, and a failure leaves it as it was."""
    tolerance = dict(tolerance or {})
    for name in outputs:
        if name not in tolerance and not expect_error:
            raise CaseError(f"tolerance: the output {name} has none")
    if "/" in op or not op:
        raise CaseError(f"op = {op!r}: it must be the name of an operation")
    folder = Path(folder)
    described, files = {}, {}
    for name, array in [*inputs.items(), *outputs.items()]:
        if name in files:
            raise CaseError(f"outputs = {name!r}: an input has this name")
        view = memoryview(array)
        dtype = _NAMES[_descr(view.format.lstrip("<=@"), view.itemsize)]
        described[name] = {"shape": list(view.shape or ()), "dtype": dtype}
        files[name] = npy_bytes(view)
    case: dict[str, Any] = {
        "format": FORMAT,
        "id": folder.name,
        "op": op,
        "attrs": dict(attrs),
        "inputs": {name: f"{name}.npy" for name in inputs},
        "outputs": {name: f"{name}.npy" for name in outputs},
        "arrays": described,
        "tolerance": {
            name: {key: value for key, value in t._asdict().items() if value is not None} for name, t in tolerance.items()
        },
        "tags": list(tags),
        "source": dict(source or {}),
    }
    if expect_error:
        case["expect"] = "error"
    text = json.dumps(case, indent=1, allow_nan=False)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and not (folder / "case.json").exists():
        raise CaseError(f"folder = {folder}: it is there and holds no case")
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        part.chmod(0o755)
        for name, data in files.items():
            (part / f"{name}.npy").write_bytes(data)
        (part / "case.json").write_text(text + "\n")
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return folder


def write_examples(page: str | Path, folder: str | Path) -> list[Path]:
    """A case for every JSON example of a page of docs/, `PAGE_0`, `PAGE_1` and so on, that demands its numbers exactly."""
    page, written = Path(page), []
    for block in page.read_text(encoding="utf-8").split("```json")[1:]:
        example = json.loads(block.split("```")[0])
        if not isinstance(example, dict) or not {"op", "shape"} <= example.keys():
            continue
        op, shapes = example.pop("op"), example.pop("shape")
        arrays = {name: shaped(example.pop(name), shape) for name, shape in shapes.items()}
        is_output = {n: n in ("output", "indices") or (n.startswith("grad_") and n != "grad_output") for n in arrays}
        inputs = {name: array for name, array in arrays.items() if not is_output[name]}
        outputs = {name: array for name, array in arrays.items() if is_output[name]}
        exact = {name: Tolerance(0.0, exact=True) for name in outputs}
        written.append(write_case(Path(folder) / f"{page.stem}_{len(written)}", op, example, inputs, outputs, exact))
    return written


# --- layers of PyTorch --------------------------------------------------------------------------------------------------


class Layer(NamedTuple):
    """A convolution as a case describes it, with its tensors."""

    op: str
    attrs: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    """Float32, by their names in a case."""


def _axes(value: Any, rank: int, field: str) -> list[int]:
    values = [value] * rank if isinstance(value, int) else [int(v) for v in value]
    if len(values) == 1:
        values *= rank
    if len(values) != rank:
        raise CaseError(f"{field} = {value!r}: the operation has {rank} spatial axes")
    return values


def _padding(value: Any, rank: int, kernel: Sequence[int], dilation: Sequence[int], stride: Sequence[int]) -> list[list[int]]:
    if value == "valid":
        return [[0, 0]] * rank
    if value == "same":
        if any(s != 1 for s in stride):
            raise CaseError(f"padding = 'same': the stride must be 1, not {list(stride)}")
        total = [d * (k - 1) for d, k in zip(dilation, kernel)]
        return [[t // 2, t - t // 2] for t in total]
    if isinstance(value, str):
        raise CaseError(f"padding = {value!r}: it must be numbers, 'same' or 'valid'")
    return [[p, p] for p in _axes(value, rank, "padding")]


def conv(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
) -> Layer:
    """`torch.nn.functional.conv1d`, `conv2d` or `conv3d`, by the rank of the weight."""
    rank, kernel = weight.dim() - 2, weight.shape[2:]
    stride, dilation = _axes(stride, rank, "stride"), _axes(dilation, rank, "dilation")
    attrs = {
        "stride": stride,
        "padding": _padding(padding, rank, kernel, dilation, stride),
        "dilation": dilation,
        "groups": groups,
    }
    if padding_mode != "zeros":
        attrs["padding_mode"] = padding_mode
    return Layer(f"conv{rank}d", attrs, _tensors(rank, input=input, weight=weight, bias=bias))


def conv_transpose(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Layer:
    """`torch.nn.functional.conv_transpose1d`, `2d` or `3d`, by the rank of the weight."""
    rank = weight.dim() - 2
    attrs = {
        "stride": _axes(stride, rank, "stride"),
        "padding": [[p, p] for p in _axes(padding, rank, "padding")],
        "dilation": _axes(dilation, rank, "dilation"),
        "groups": groups,
        "output_padding": _axes(output_padding, rank, "output_padding"),
    }
    return Layer(f"conv_transpose{rank}d", attrs, _tensors(rank, input=input, weight=weight, bias=bias))


def deform_conv2d(
    input: torch.Tensor,
    offset: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    mask: torch.Tensor | None = None,
) -> Layer:
    """`torchvision.ops.deform_conv2d`."""
    taps = weight.shape[2] * weight.shape[3]
    attrs = {
        "stride": _axes(stride, 2, "stride"),
        "padding": [[p, p] for p in _axes(padding, 2, "padding")],
        "dilation": _axes(dilation, 2, "dilation"),
        "groups": input.shape[1] // weight.shape[1],
        "offset_groups": offset.shape[1] // (2 * taps),
    }
    tensors = _tensors(2, input=input, weight=weight, offset=offset, mask=mask, bias=bias)
    return Layer("deform_conv2d", attrs, tensors)


def _tensors(rank: int, **tensors: torch.Tensor | None) -> dict[str, torch.Tensor]:
    import torch

    kept = {}
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16):
            raise CaseError(f"{name}: dtype = {tensor.dtype}: a case holds float32")
        tensor = tensor.detach().cpu().to(torch.float32)
        if name == "input" and tensor.dim() == rank + 1:
            tensor = tensor.unsqueeze(0)
        if name == "input" and tensor.dim() != rank + 2:
            raise CaseError(f"input: shape = {tuple(tensor.shape)}: it must have {rank + 2} axes, or one less")
        if not bool(torch.isfinite(tensor).all()):
            raise CaseError(f"{name}: it must be finite")
        kept[name] = tensor.contiguous()
    return kept


def of_module(module: torch.nn.Module, input: torch.Tensor, *args: torch.Tensor, output_size: Any = None) -> Layer:
    """What a module computes of an input; `torchvision.ops.DeformConv2d` also takes an offset and a mask."""
    from torch import nn

    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        rank = module.weight.dim() - 2
        output_padding = module.output_padding
        if output_size is not None:
            batched = input if input.dim() == rank + 2 else input.unsqueeze(0)
            output_padding = module._output_padding(
                batched, list(output_size), module.stride, module.padding, module.kernel_size, rank, module.dilation
            )
        return conv_transpose(
            input, module.weight, module.bias, module.stride, module.padding, output_padding, module.groups, module.dilation
        )
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return conv(
            input,
            module.weight,
            module.bias,
            module.stride,
            module.padding,
            module.dilation,
            module.groups,
            padding_mode=module.padding_mode,
        )
    if type(module).__name__ == "DeformConv2d":
        if not 1 <= len(args) <= 2:
            raise CaseError(f"{len(args)} tensors beside the input: DeformConv2d takes an offset and at most a mask")
        mask = args[1] if len(args) == 2 else None
        return deform_conv2d(
            input, args[0], module.weight, module.bias, module.stride, module.padding, module.dilation, mask
        )
    raise CaseError(f"module = {type(module).__name__}: it must be Conv1d/2d/3d, ConvTranspose1d/2d/3d or DeformConv2d")


def _call(layer: Layer, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The layer's output on other tensors, by PyTorch."""
    import torch.nn.functional as F

    attrs, bias = layer.attrs, tensors.get("bias")
    padding = attrs["padding"]
    if layer.op == "deform_conv2d":
        from torchvision.ops import deform_conv2d as deform

        sides = [begin for begin, _ in padding]
        arguments = (tensors["input"], tensors["offset"], tensors["weight"], bias)
        return deform(*arguments, attrs["stride"], sides, attrs["dilation"], tensors.get("mask"))
    function = getattr(F, layer.op)
    if "output_padding" in attrs:
        sides = [begin for begin, _ in padding]
        arguments = (tensors["input"], tensors["weight"], bias, attrs["stride"], sides)
        return function(*arguments, attrs["output_padding"], attrs["groups"], attrs["dilation"])
    # F.pad counts from the last axis.
    flat = [side for begin_end in reversed(padding) for side in begin_end]
    mode = attrs.get("padding_mode", "zeros")
    padded = F.pad(tensors["input"], flat, mode="constant" if mode == "zeros" else mode)
    return function(padded, tensors["weight"], bias, attrs["stride"], 0, attrs["dilation"], attrs["groups"])


def _pass(layer: Layer, tensors: Mapping[str, torch.Tensor], upstream: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Output and, with an upstream gradient, the gradient of every tensor, in float64."""
    import torch

    doubles = {name: tensor.double().requires_grad_(upstream is not None) for name, tensor in tensors.items()}
    with torch.enable_grad():
        output = _call(layer, doubles)
        results = {"output": output.detach()}
        if upstream is not None:
            gradients = torch.autograd.grad(output, list(doubles.values()), upstream.double())
            results |= {f"grad_{name}": gradient for name, gradient in zip(doubles, gradients)}
    return results


def _tolerances(
    layer: Layer, upstream: torch.Tensor | None, results: Mapping[str, torch.Tensor]
) -> dict[str, Tolerance]:
    """Of sums of products: the operation on ones counts the products, on absolute values it adds them up."""
    import torch

    up = {"one": None, "abs": None} if upstream is None else {"one": torch.ones_like(upstream), "abs": upstream.abs()}
    if layer.op == "deform_conv2d":
        return _deform_tolerances(layer, up["abs"], results)
    terms = _pass(layer, {n: torch.zeros_like(t) if n == "bias" else torch.ones_like(t) for n, t in layer.tensors.items()}, up["one"])
    sums = _pass(layer, {name: tensor.abs() for name, tensor in layer.tensors.items()}, up["abs"])
    return {name: Tolerance.of_sum(float(terms[name].max()), float(sums[name].max())) for name in results}


def _coordinates(layer: Layer) -> torch.Tensor:
    """Where every tap samples: N, offset group, tap, {y, x}, output row, output column; float64 and exact."""
    import torch

    offset, weight, attrs = layer.tensors["offset"].double(), layer.tensors["weight"], layer.attrs
    n, _, height, width = offset.shape
    kernel = weight.shape[2:]
    grid = offset.reshape(n, attrs["offset_groups"], *kernel, 2, height, width).clone()
    for axis, extent in enumerate((height, width)):
        start = torch.arange(extent, dtype=torch.float64) * attrs["stride"][axis] - attrs["padding"][axis][0]
        tap = torch.arange(kernel[axis], dtype=torch.float64) * attrs["dilation"][axis]
        start = start.reshape((-1, 1) if axis == 0 else (1, -1))
        tap = tap.reshape((-1, 1, 1, 1) if axis == 0 else (1, -1, 1, 1))
        grid[:, :, :, :, axis] += start + tap
    return grid


def _deform_tolerances(
    layer: Layer, upstream: torch.Tensor | None, results: Mapping[str, torch.Tensor]
) -> dict[str, Tolerance]:
    """Bilinear weights are products and differences too, and a coordinate may round before it is used."""
    import torch

    tensors, attrs = layer.tensors, layer.attrs
    weight, at = tensors["weight"], _coordinates(layer)
    # How far float32 moves a coordinate: nothing where it holds it.
    moved = float((at.float().double() - at).abs().max())
    n, _, out_h, out_w = tensors["offset"].shape
    kernel, c_in, c_out = weight.shape[2:], tensors["input"].shape[1], weight.shape[0]
    taps, (height, width) = kernel[0] * kernel[1], tensors["input"].shape[2:]
    positive = {name: tensor if name == "offset" else tensor.abs() for name, tensor in tensors.items()}
    sums = _pass(layer, positive, upstream)

    def rows(axis: int, up: torch.Tensor) -> torch.Tensor:
        """Sum of |weight · sample| over both sides of every cell along an axis: what a derivative adds and subtracts."""
        total = 0.0
        for side in (0.0, 1.0):
            shifted = _coordinates(layer)
            shifted[:, :, :, :, axis] = shifted[:, :, :, :, axis].floor() + side
            offset = tensors["offset"].double() + (shifted - at).reshape(tensors["offset"].shape)
            # The gradient of a mask of ones is the sum of weight times sample.
            ones = torch.ones(n, attrs["offset_groups"] * taps, out_h, out_w)
            total = total + _pass(layer, positive | {"offset": offset, "mask": ones}, up)["grad_mask"]
        return total if "mask" not in tensors else total * tensors["mask"].abs().double()

    def slopes(up: torch.Tensor) -> list[torch.Tensor]:
        return [rows(axis, up) for axis in (0, 1)]

    # What moves with a coordinate is at most the slope in y and in x, of the sums over everything.
    forward = slopes(torch.ones(n, c_out, out_h, out_w)) if moved else []
    sway = sum(float(s.sum(dim=1).max()) for s in forward) * moved
    extra = SAMPLE_ROUNDINGS
    found = {
        "output": Tolerance.of_sum(weight.shape[1] * taps + extra, float(sums["output"].max()), sway),
    }
    if upstream is None:
        return found
    pixels = n * out_h * out_w
    per_mask = (c_in // attrs["offset_groups"]) * (c_out // attrs["groups"]) + extra
    # How many samples touch a pixel.
    hits = torch.zeros(n, attrs["offset_groups"], height * width, dtype=torch.float64)
    corner = at.floor().long()
    for dy in (0, 1):
        for dx in (0, 1):
            y, x = corner[:, :, :, :, 0] + dy, corner[:, :, :, :, 1] + dx
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            flat = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).flatten(2)
            hits.scatter_add_(2, flat, inside.double().flatten(2))
    backward = slopes(upstream)
    slope = torch.stack(backward, dim=2).reshape(n, -1, out_h, out_w)
    up_max, in_max, w_sum = float(upstream.max()), float(tensors["input"].abs().max()), float(weight.abs().sum())
    mask_max = float(tensors["mask"].abs().max()) if "mask" in tensors else 1.0
    # A coordinate's move changes a bilinear weight by as much, and each of its two factors does.
    move = 2 * moved
    found |= {
        "grad_input": Tolerance.of_sum(
            (c_out // attrs["groups"]) * float(hits.max()) + extra,
            float(sums["grad_input"].max()),
            move * float(hits.max()) * up_max * mask_max * w_sum,
        ),
        "grad_weight": Tolerance.of_sum(
            pixels + extra, float(sums["grad_weight"].max()), 2 * move * pixels * up_max * mask_max * in_max
        ),
        "grad_offset": Tolerance.of_sum(
            per_mask, float(slope.max()), 4 * move * up_max * mask_max * in_max * w_sum
        ),
    }
    if "bias" in tensors:
        found["grad_bias"] = Tolerance.of_sum(pixels, float(sums["grad_bias"].max()))
    if "mask" in tensors:
        found["grad_mask"] = Tolerance.of_sum(per_mask, float(sums["grad_mask"].max()), 2 * move * up_max * in_max * w_sum)
    return found


def _refuse_kinks(layer: Layer) -> None:
    """A coordinate that float32 moves onto an integer, or off one, has another derivative there."""
    at = _coordinates(layer)
    single = at.float().double()
    crossed = at.floor() != single.floor()
    if bool(crossed.any()):
        where = [int(i) for i in crossed.nonzero()[0]]
        raise CaseError(
            f"offset: the tap {where} samples at {float(at[tuple(where)])!r}, which float32 rounds to an integer, where the "
            "derivative jumps; round the offsets, as in (offset * 1024).round() / 1024"
        )


def write_layer(
    folder: str | Path,
    layer: Layer,
    *,
    grad_output: torch.Tensor | None = None,
    gradients: bool = True,
    seed: int = 0,
) -> Path:
    """Writes the case of a layer: its output and, unless that is not wanted, the gradient of every tensor, of
    `sum(output * grad_output)`; without a `grad_output`, of a random one."""
    import torch

    if layer.op == "deform_conv2d":
        _refuse_kinks(layer)
    forward = _pass(layer, layer.tensors, None)
    shape, upstream = forward["output"].shape, None
    if gradients and grad_output is None:
        upstream = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    elif gradients and grad_output is not None:
        upstream = grad_output.detach().cpu().to(torch.float32)
        upstream = upstream.unsqueeze(0) if upstream.dim() == len(shape) - 1 else upstream
        if upstream.shape != shape:
            raise CaseError(f"grad_output: shape = {tuple(upstream.shape)}: the output has {tuple(shape)}")
    results = forward if upstream is None else _pass(layer, layer.tensors, upstream)
    tolerance = _tolerances(layer, upstream, results)
    inputs = dict(layer.tensors) if upstream is None else layer.tensors | {"grad_output": upstream}
    arrays = [{name: tensor.contiguous().numpy() for name, tensor in group.items()} for group in (inputs, results)]
    source = {"suite": "wgconv_cases", "package": f"torch {torch.__version__} CPU float64"}
    return write_case(folder, layer.op, layer.attrs, *arrays, tolerance, source=source)


def dump(
    folder: str | Path,
    module: torch.nn.Module,
    input: torch.Tensor,
    *args: torch.Tensor,
    output_size: Any = None,
    grad_output: torch.Tensor | None = None,
    gradients: bool = True,
    seed: int = 0,
) -> Path:
    """The case of a module on an input."""
    layer = of_module(module, input, *args, output_size=output_size)
    return write_layer(folder, layer, grad_output=grad_output, gradients=gradients, seed=seed)


def dump_call(
    folder: str | Path,
    function: Callable[..., torch.Tensor],
    *args: Any,
    grad_output: torch.Tensor | None = None,
    gradients: bool = True,
    seed: int = 0,
    **kwargs: Any,
) -> Path:
    """The case of a call: `dump_call(folder, torch.nn.functional.conv2d, input, weight, stride=2)`."""
    name = getattr(function, "__name__", str(function))
    by_name = {f"conv{rank}d": conv for rank in (1, 2, 3)}
    by_name |= {f"conv_transpose{rank}d": conv_transpose for rank in (1, 2, 3)} | {"deform_conv2d": deform_conv2d}
    if name not in by_name:
        raise CaseError(f"function = {name}: it must be one of {', '.join(by_name)}")
    layer = by_name[name](*args, **kwargs)
    if layer.op != name:
        raise CaseError(f"weight: shape = {tuple(layer.tensors['weight'].shape)}: {name} takes another number of axes")
    return write_layer(folder, layer, grad_output=grad_output, gradients=gradients, seed=seed)


def dump_model(
    folder: str | Path,
    model: torch.nn.Module,
    *args: Any,
    loss: Callable[[Any], torch.Tensor] | None = None,
    seed: int = 0,
    **kwargs: Any,
) -> list[Path]:
    """A case for every convolution that runs in `model(*args, **kwargs)`, named by its place in the model, with what
    reached it. With a `loss` of the model's output, gradients start from what the loss sends back to the layer."""
    from torch import nn

    seen: list[tuple[str, Layer, dict[str, torch.Tensor]]] = []
    handles = []

    def hook(name: str) -> Callable[..., None]:
        def record(module: torch.nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any], output: torch.Tensor) -> None:
            layer, upstream = of_module(module, *inputs, **keywords), {}
            if loss is not None and output.requires_grad:
                output.register_hook(lambda gradient: upstream.setdefault("grad_output", gradient.detach()))
            number = sum(other == name or other.startswith(f"{name}~") for other, *_ in seen)
            seen.append((f"{name}~{number + 1}" if number else name, layer, upstream))

        return record

    try:
        for name, module in model.named_modules():
            is_layer = isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) or isinstance(
                module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
            )
            if is_layer or type(module).__name__ == "DeformConv2d":
                handles.append(module.register_forward_hook(hook(name or "model"), with_kwargs=True))
        result = model(*args, **kwargs)
        if loss is not None:
            loss(result).backward()
    finally:
        for handle in handles:
            handle.remove()
    if not seen:
        raise CaseError(f"model = {type(model).__name__}: no convolution ran")
    return [write_layer(Path(folder) / name, layer, **upstream, seed=seed) for name, layer, upstream in seen]


if __name__ == "__main__":
    import sys

    if len(sys.argv) != 3:
        sys.exit("usage: wgconv_cases.py PAGE.md FOLDER: a case for every JSON example of a page")
    for case in write_examples(*sys.argv[1:]):
        print(case)

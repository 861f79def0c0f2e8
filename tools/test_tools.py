"""Tests of the tools beside it: `python test_tools.py`, or pytest. WGCONV names the command line (else `wgconv` on the
path). Without torch and torchvision only what needs neither is tested, and it says so.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import wgconv_cases
import wgconv_results
from wgconv_cases import CaseError, Tolerance, shaped, write_case

try:
    import torch
    import torchvision
except ImportError:
    torch = torchvision = None


def refused(action: Callable[[], object], *words: str) -> None:
    """It raises a `CaseError` with these words in it."""
    try:
        action()
    except CaseError as error:
        assert all(word in str(error) for word in words), error
    else:
        raise AssertionError(f"not refused: {words}")


def passes(*paths: Path, at_least: int = 1) -> None:
    comparisons = wgconv_results.check(*paths)
    bad = wgconv_results.failures(comparisons)
    assert not bad, bad
    assert sum(row["verdict"] == "pass" for row in comparisons) >= at_least, comparisons


# --- without torch ------------------------------------------------------------------------------------------------------

# A 3x3 image under a 2x2 window of ones: every output is the sum of four pixels.
IMAGE, SUMS = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], [12.0, 16.0, 24.0, 28.0]


def small_case(folder: Path, sums: list[float] = SUMS, **options: bool) -> Path:
    attrs = {"stride": [1, 1], "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1}
    inputs = {"input": shaped(IMAGE, (1, 1, 3, 3)), "weight": shaped([1.0] * 4, (1, 1, 2, 2))}
    outputs = {"output": shaped(sums, (1, 1, 2, 2), "d")}
    return write_case(folder, "conv2d", attrs, inputs, outputs, {"output": Tolerance.of_sum(4, 28.0)}, **options)


def test_a_case_by_hand_passes_and_a_wrong_number_fails(folder: Path) -> None:
    passes(small_case(folder / "right"))
    wrong = wgconv_results.check(small_case(folder / "wrong", [12.0, 16.0, 24.0, 28.5]))
    assert wgconv_results.failures(wrong) and "28.5" in wrong[0]["reason"].replace("2.85e1", "28.5"), wrong


def test_arrays_survive_a_file(folder: Path) -> None:
    for values, shape, form in [(IMAGE, (3, 3), "f"), ([1, 2], (2,), "q"), ([0.1] * 6, (1, 2, 3), "d"), ([7], (1, 1), "B")]:
        view = shaped(values, shape, form)
        (folder / "a.npy").write_bytes(wgconv_cases.npy_bytes(view))
        read = wgconv_cases.read_npy(folder / "a.npy")
        assert (read.shape, read.format, read.tobytes()) == (view.shape, view.format, view.tobytes())
    header = (folder / "a.npy").read_bytes()
    assert header.startswith(b"\x93NUMPY\x01\x00") and (10 + struct.unpack_from("<H", header, 8)[0]) % 64 == 0
    (folder / "a.npy").write_bytes(b"no array")
    refused(lambda: wgconv_cases.read_npy(folder / "a.npy"), "a.npy", "no .npy file")


def test_results_of_run_are_arrays(folder: Path) -> None:
    output = wgconv_results.run(small_case(folder / "case"))["output"]
    assert output.shape == (1, 1, 2, 2) and list(output.cast("B").cast("f")) == SUMS


def test_bad_requests_name_the_field_and_the_rule(folder: Path) -> None:
    refused(lambda: shaped([1.0], (2,)), "shape = (2,)", "1 values")
    refused(lambda: write_case(folder / "x", "conv2d", {}, {}, {"output": shaped([1.0], (1,))}), "tolerance", "output")
    refused(lambda: Tolerance.of_sum(2**25, 1.0), "terms")
    (folder / "mine").mkdir()
    refused(lambda: small_case(folder / "mine"), "mine", "holds no case")
    assert sorted(path.name for path in folder.iterdir()) == ["mine"], "nothing may be left half-written"


def test_a_case_that_expects_an_error_passes_when_it_is_refused(folder: Path) -> None:
    attrs = {"stride": [0, 1], "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1}
    inputs = {"input": shaped(IMAGE, (1, 1, 3, 3)), "weight": shaped([1.0] * 4, (1, 1, 2, 2))}
    passes(write_case(folder / "bad", "conv2d", attrs, inputs, {}, expect_error=True))


def test_examples_of_a_page_become_cases(folder: Path) -> None:
    pages = Path(__file__).parent.parent / "docs" / "theory"
    written = wgconv_cases.write_examples(pages / "locality.md", folder)
    assert [path.name for path in written][:2] == ["locality_0", "locality_1"]
    passes(*written, at_least=len(written))


def test_records_of_bench_become_rows(folder: Path) -> None:
    record = folder / "record.json"
    options = ["--rounds", "1", "--samples", "1", "--sample-ms", "1", "--rotate", "0", "--no-limits"]
    wgconv_results.wgconv("bench", "--layer", "alexnet/conv5", "--pass", "forward", *options, "--out", record)
    rows = wgconv_results.bench_rows(record)
    assert rows and all(row["status"] == "right" and row["median_ms"] > 0 and row["gflops"] > 0 for row in rows), rows
    text = wgconv_results.table(rows, "layer", "algorithm", "median_ms")
    assert text.splitlines()[0].split() == ["layer", "algorithm", "median_ms"] and len(text.splitlines()) == 1 + len(rows)
    record.write_text(json.dumps({"schema": "wgconv-bench/99"}))
    try:
        wgconv_results.bench_rows(record)
    except wgconv_results.ResultError as error:
        assert "wgconv-bench/99" in str(error)
    else:
        raise AssertionError("another schema must be refused")


def test_a_refusal_carries_the_exit_code(folder: Path) -> None:
    try:
        wgconv_results.run(folder / "nothing")
    except wgconv_results.ResultError as error:
        assert error.code == 2 and "nothing" in str(error)
    else:
        raise AssertionError("there is no such case")


# --- with torch ---------------------------------------------------------------------------------------------------------


def torch_modules(folder: Path) -> None:
    """Every kind of module, with parameters that are easy to get wrong."""
    from torch import nn

    torch.manual_seed(3)
    layers = {
        "conv1d_same_dilated": (nn.Conv1d(6, 9, 4, padding="same", dilation=3, groups=3), (2, 6, 25)),
        "conv2d_odd": (nn.Conv2d(6, 10, (3, 2), stride=(2, 3), padding=(2, 1), dilation=(1, 2), groups=2), (2, 6, 13, 11)),
        "conv2d_depthwise": (nn.Conv2d(5, 10, 3, padding=1, groups=5, bias=False), (1, 5, 9, 7)),
        "conv2d_unbatched": (nn.Conv2d(3, 4, 1), (3, 7, 5)),
        "conv2d_reflect": (nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="reflect"), (2, 2, 6, 5)),
        "conv2d_replicate": (nn.Conv2d(2, 3, (3, 5), padding=2, padding_mode="replicate", stride=2), (1, 2, 7, 8)),
        "conv2d_circular": (nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular", groups=2), (1, 2, 5, 6)),
        "conv3d": (nn.Conv3d(2, 3, (2, 3, 1), stride=(1, 2, 1), padding=(1, 0, 2)), (2, 2, 5, 6, 4)),
        "transposed1d": (nn.ConvTranspose1d(4, 6, 5, stride=3, padding=2, output_padding=1, groups=2), (2, 4, 8)),
        "transposed2d": (nn.ConvTranspose2d(3, 4, (4, 3), stride=(2, 1), padding=(1, 2), dilation=(1, 3)), (2, 3, 5, 6)),
        "transposed3d": (nn.ConvTranspose3d(2, 2, 2, stride=2, bias=False), (1, 2, 3, 2, 4)),
    }
    for name, (module, shape) in layers.items():
        wgconv_cases.dump(folder / name, module, torch.randn(shape))
    sized = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    wgconv_cases.dump(folder / "transposed2d_output_size", sized, torch.randn(1, 2, 4, 5), output_size=[8, 9])


def torch_deformable(folder: Path) -> None:
    """With and without a mask, exact offsets and raw ones, groups of both kinds."""
    from torchvision.ops import DeformConv2d, deform_conv2d

    torch.manual_seed(4)
    module = DeformConv2d(4, 6, 3, padding=1, stride=(2, 1), groups=2)
    input, size = torch.randn(2, 4, 9, 8), (2, 18, 5, 8)
    wgconv_cases.dump(folder / "deform_v1", module, input, (torch.randn(size) * 1024).round() / 1024)
    wgconv_cases.dump(folder / "deform_v2_raw", module, input, torch.randn(size), torch.rand(2, 9, 5, 8))
    wgconv_cases.dump_call(
        folder / "deform_two_offset_groups",
        deform_conv2d,
        torch.randn(1, 6, 7, 6),
        torch.randn(1, 2 * 2 * 2, 7, 3),
        torch.randn(4, 3, 1, 2),
        padding=(0, 1),
        stride=(1, 2),
        dilation=(1, 3),
        mask=torch.rand(1, 2 * 2, 7, 3),
    )
    kink = torch.zeros(1, 2, 4, 4)
    # float32 holds no number between 1 - 2^-24 and 1: it moves this coordinate onto a pixel.
    kink[0, 0, 1, 1] = -(2.0**-30)
    refused(
        lambda: wgconv_cases.dump_call(folder / "kink", deform_conv2d, torch.randn(1, 1, 4, 4), kink, torch.ones(1, 1, 1, 1)),
        "offset",
        "round the offsets",
    )


def test_layers_of_torch_pass(folder: Path) -> None:
    torch_modules(folder)
    torch_deformable(folder)
    passes(folder, at_least=40)


def test_calls_of_torch_pass(folder: Path) -> None:
    F = torch.nn.functional
    input, weight = torch.randn(2, 4, 10, 9), torch.randn(6, 2, 3, 3)
    upstream = torch.randn(2, 6, 5, 5)
    wgconv_cases.dump_call(folder / "conv", F.conv2d, input, weight, stride=2, padding=1, groups=2, grad_output=upstream)
    wgconv_cases.dump_call(folder / "forward", F.conv2d, input, weight, torch.randn(6), groups=2, gradients=False)
    transposed = torch.randn(4, 2, 3)
    wgconv_cases.dump_call(folder / "up", F.conv_transpose1d, torch.randn(1, 4, 6), transposed, None, 2, 1, 1, 2, 1)
    passes(folder, at_least=6)
    names = json.loads((folder / "forward" / "case.json").read_text())["outputs"]
    assert list(names) == ["output"]


def test_a_network_is_dumped_layer_by_layer(folder: Path) -> None:
    from torch import nn

    torch.manual_seed(5)
    shared = nn.Conv2d(4, 4, 3, padding=1)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), shared, nn.ReLU(), shared, nn.ConvTranspose2d(4, 2, 2))
    paths = wgconv_cases.dump_model(folder, model, torch.randn(2, 3, 11, 9), loss=lambda output: output.square().sum())
    assert [path.name for path in paths] == ["0", "2", "2~2", "5"], paths
    # The gradient that reaches the last layer is twice its output.
    output, upstream = (wgconv_cases.read_npy(paths[-1] / f"{name}.npy") for name in ("output", "grad_output"))
    pairs = zip(output.cast("B").cast("d"), upstream.cast("B").cast("f"))
    assert all(abs(2 * y - g) <= 1e-5 * (1 + abs(y)) for y, g in pairs)
    passes(folder, at_least=8)


def test_a_mutated_weight_fails(folder: Path) -> None:
    case = wgconv_cases.dump(folder / "case", torch.nn.Conv2d(3, 4, 3), torch.randn(1, 3, 8, 8))
    passes(case)
    path = case / "weight.npy"
    data = bytearray(path.read_bytes())
    start = len(data) - 4 * 4 * 3 * 9
    (value,) = struct.unpack_from("<f", data, start)
    struct.pack_into("<f", data, start, value + 0.01)
    path.write_bytes(data)
    assert wgconv_results.failures(wgconv_results.check(case))


def test_what_no_case_holds_is_refused(folder: Path) -> None:
    input = torch.randn(1, 3, 8, 8)
    layer = torch.nn.Conv2d(3, 4, 3)
    refused(lambda: wgconv_cases.dump(folder / "x", torch.nn.Linear(3, 4), input), "module = Linear")
    refused(lambda: wgconv_cases.dump(folder / "x", layer.double(), input.double()), "dtype", "float64")
    refused(lambda: wgconv_cases.dump_call(folder / "x", torch.relu, input), "function = relu")
    wrong = torch.zeros(1, 4, 5, 6)
    refused(lambda: wgconv_cases.dump(folder / "x", layer.float(), input, grad_output=wrong), "grad_output", "(1, 4, 6, 6)")
    input[0, 0, 0, 0] = float("nan")
    refused(lambda: wgconv_cases.dump(folder / "x", layer, input), "input", "finite")
    assert not list(folder.iterdir())


NEEDS_TORCH = [
    test_layers_of_torch_pass,
    test_calls_of_torch_pass,
    test_a_network_is_dumped_layer_by_layer,
    test_a_mutated_weight_fails,
    test_what_no_case_holds_is_refused,
]

try:
    import pytest

    @pytest.fixture
    def folder(tmp_path: Path) -> Path:
        return tmp_path

    if torch is None:
        for test in NEEDS_TORCH:
            test.pytestmark = [pytest.mark.skip(reason="torch and torchvision are not installed")]
except ImportError:
    pass


def main() -> int:
    tests = [value for name, value in list(globals().items()) if name.startswith("test_")]
    left_out = [] if torch else NEEDS_TORCH
    for test in tests:
        if test in left_out:
            continue
        with tempfile.TemporaryDirectory() as folder:
            test(Path(folder))
        print(f"{test.__name__}: ok")
    for test in left_out:
        print(f"{test.__name__}: NOT TESTED, torch and torchvision are not installed")
    return 0


if __name__ == "__main__":
    sys.exit(main())

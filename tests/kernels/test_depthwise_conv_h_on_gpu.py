"""The first kernel on a real GPU where no workload reaches: sizes, graphs, compilers, autocast."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402, N812

from gate.correctness import detect_device  # noqa: E402
from gate.problem import load_candidate  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(detect_device() != "cuda", reason="no GPU here"),
]
KERNEL = Path(__file__).parents[2] / "kernels" / "depthwise_conv_h" / "kernel.py"
GIB = 2**30


@pytest.fixture(scope="module", autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def kernel():
    return load_candidate(KERNEL)


def convolution(kernel, x, weight, padding=0):
    return kernel.depthwise_conv_h(x, weight, None, stride=1, padding=padding, dilation=1)


def needs(gib):
    free, _ = torch.cuda.mem_get_info()
    if free < gib * GIB:
        pytest.skip(f"needs {gib} GiB of GPU memory")


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_tensors_beyond_2_31_elements(kernel, memory_format):
    needs(20)
    # 2^31 and some, so that the last image lies beyond in the input and in the output.
    n, c, h, w = 129, 16, 1024, 1024
    x = torch.empty(n, c, h, w, dtype=torch.float16, device="cuda", memory_format=memory_format)
    x.normal_()
    weight = torch.randn(c, 1, 3, 1, dtype=torch.float16, device="cuda")
    y = convolution(kernel, x, weight, padding=1)
    assert min(x.numel(), y.numel()) > 2**31
    for image in (0, n // 2, n - 1):
        theirs = F.conv2d(x[image : image + 1], weight, padding=1, groups=c)
        torch.testing.assert_close(y[image : image + 1], theirs, rtol=1e-2, atol=1e-2)


def test_a_weight_beyond_2_31_elements(kernel):
    needs(12)
    c, k = 2**26, 33
    x = torch.randn(1, c, k, 1, dtype=torch.float16, device="cuda")
    weight = torch.randn(c, 1, k, 1, dtype=torch.float16, device="cuda")
    y = convolution(kernel, x, weight)
    last = slice(c - 1000, c)
    theirs = (x[0, last, :, 0].float() * weight[last, 0, :, 0].float()).sum(1)
    torch.testing.assert_close(y[0, last, 0, 0].float(), theirs, rtol=1e-2, atol=2e-2)


def test_more_groups_of_columns_than_an_int32_counts(kernel):
    needs(20)
    x = torch.randn(2**31 + 500, 1, 1, 1, dtype=torch.float16, device="cuda")
    weight = torch.full((1, 1, 1, 1), 2.0, dtype=torch.float16, device="cuda")
    y = convolution(kernel, x, weight)
    for part in (slice(0, 1000), slice(-1000, None)):
        assert y[part].equal(2 * x[part])


HALVES = (torch.float16, torch.bfloat16)
ON_TENSOR_CORES = [
    *(
        (dtype, *given)
        for dtype in HALVES
        for given in (
            ((2, 3, 100, 64), 11, 0, 1, "bands"),
            ((2, 3, 100, 128), 31, 15, 1, "bands"),
            ((1, 2, 190, 240), 33, 32, 3, "bands"),
            ((3, 5, 40, 512), 18, 0, 2, "bands"),
            ((16, 64, 256, 256), 7, 3, 1, "bands"),
            ((4, 64, 254, 256), 31, 0, 1, "strips"),
            ((4, 64, 254, 256), 31, 15, 1, "strips"),
            ((4, 64, 254, 240), 19, 9, 1, "strips"),
            ((4, 64, 250, 128), 22, 24, 3, "strips"),
            ((3, 40, 250, 264), 18, 9, 1, "strips"),
            ((32, 64, 110, 112), 7, 3, 1, "strips"),
            ((16, 64, 130, 224), 16, 8, 1, "strips"),
            ((17, 512, 28, 28), 7, 3, 1, "planes"),
            ((16, 512, 27, 30), 3, 1, 1, "planes"),
        )
    ),
    (torch.float32, (8, 64, 250, 256), 31, 15, 1, "strips"),
    (torch.float32, (32, 64, 130, 120), 21, 10, 1, "strips"),
]


@pytest.mark.parametrize(("dtype", "size", "k", "padding", "dilation", "name"), ON_TENSOR_CORES)
def test_tensor_cores_give_what_the_sums_are(kernel, dtype, size, k, padding, dilation, name):
    c = size[1]
    x = torch.randn(size, dtype=dtype, device="cuda")
    weight = torch.randn(c, 1, k, 1, dtype=dtype, device="cuda")
    bias = torch.randn(c, dtype=dtype, device="cuda")
    # One rounding to the dtype of sums of up to 33 products, each below 20.
    close = {"rtol": 1e-5, "atol": 2e-5} if dtype == torch.float32 else {"rtol": 1e-2, "atol": 1e-2}
    for infinite in ("nothing", "x", "weight"):
        if infinite == "x":
            x[0, 0, 20, 3] = x[-1, -1, -1, -1] = float("inf")
            x[0, -1, size[2] // 3, size[3] // 2] = float("nan")
        elif infinite == "weight":
            weight[c // 2, 0, 0] = float("-inf")
        layouts = [kernel.layout(each) for each in (x, weight, bias)]
        assert kernel.plan(*layouts, 1, padding, dilation)[5] == name
        ours = kernel.depthwise_conv_h(
            x, weight, bias, stride=1, padding=padding, dilation=dilation
        )
        # As on a CPU: on a GPU F.conv2d leaves its own padding out of the sums, and with it the NaN
        # of zero times an infinite weight.
        padded = F.pad(x.double(), (padding,) * 4)
        theirs = F.conv2d(padded, weight.double(), bias.double(), dilation=dilation, groups=c)
        assert ours.isnan().equal(theirs.isnan())
        torch.testing.assert_close(ours, theirs.to(dtype), **close, equal_nan=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # what its compiler imports
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(("k", "dtype"), [(3, torch.float32), (31, torch.float16)])
def test_torch_compile_takes_it_whole(kernel, dynamic, k, dtype):
    torch.compiler.reset()
    model = kernel.ModelNew(8, k, padding=k // 2, bias=True).to("cuda", dtype)
    compiled = torch.compile(model, fullgraph=True, dynamic=dynamic)
    for shape in ((2, 8, 16, 16), (2, 8, 33, 47), (3, 8, 65, 128)):
        x = torch.randn(shape, device="cuda", dtype=dtype)
        torch.testing.assert_close(compiled(x), model(x))


def test_a_cuda_graph_replays_it_on_new_values(kernel):
    model, x = kernel.ModelNew(8, 3).cuda(), torch.randn(4, 8, 33, 65, device="cuda")
    model(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = model(x)
    for _ in range(3):
        x.normal_()
        graph.replay()
        torch.testing.assert_close(y, model(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_gives_what_conv2d_gives(kernel, dtype):
    x, model = torch.randn(4, 8, 33, 65, device="cuda"), kernel.ModelNew(8, 3, bias=True).cuda()
    conv = model.conv2d
    with torch.autocast("cuda", dtype):
        ours, theirs = model(x), F.conv2d(x, conv.weight, conv.bias, groups=8)
    assert ours.dtype == theirs.dtype == dtype
    torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2)

# ruff: noqa: PLR0402, PLR0917 - the imports are KernelBench's, and a Triton launch is positional
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def depthwise_conv_h_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    H,
    W,
    H_OUT,
    COLUMNS,
    x_stride_n,
    x_stride_c,
    x_stride_h,
    X_STRIDE_W: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    STRIDE: tl.constexpr,
    PADDING: tl.constexpr,
    DILATION: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    SKEW: tl.constexpr,
    X_UNIT: tl.constexpr,
    Y_UNIT: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
):
    """One BLOCK_H x BLOCK_W tile of one plane of the output.

    A plane is a matrix of H_OUT rows and COLUMNS columns whose columns are neighbours in memory:
    one channel of one image when contiguous, a whole image (column = w * C + c) when channels last.
    W and the strides count in units of X_UNIT elements, COLUMNS in Y_UNIT (see `hidden_unit`).
    """
    # Vertical neighbours have consecutive ids, so the input rows that they share are still in L2.
    row_tiles = tl.cdiv(H_OUT, BLOCK_H)
    plane = tl.program_id(0) // row_tiles
    row = (tl.program_id(0) % row_tiles) * BLOCK_H + tl.arange(0, BLOCK_H)
    skewed = tl.program_id(1) * BLOCK_W + tl.arange(0, BLOCK_W)
    column = skewed - SKEW

    if CHANNELS_LAST:
        c = column % C
        in_w = column // C * STRIDE - PADDING
        x_column = in_w.to(tl.int64) * X_STRIDE_W + c
        x_plane = plane.to(tl.int64) * x_stride_n * X_UNIT
    else:
        c = plane % C
        # One constant, a multiple of the vector width (see `skew`), is what lets loads be vectors.
        in_w = skewed * STRIDE - (SKEW * STRIDE + PADDING)
        x_column = in_w
        x_image = (plane // C).to(tl.int64) * x_stride_n * X_UNIT
        x_plane = x_image + c.to(tl.int64) * x_stride_c * X_UNIT

    # 64 bits for what can pass 2^31 elements: one value a program or a row, not one an element.
    in_h = row * STRIDE - PADDING
    x_row = in_h.to(tl.int64) * x_stride_h * X_UNIT
    x_tile = (x_ptr + x_plane) + x_row[:, None] + x_column[None, :]
    y_row = (plane.to(tl.int64) * H_OUT + row) * COLUMNS * Y_UNIT
    y_tile = y_ptr + y_row[:, None] + column[None, :]
    y_mask = (row < H_OUT)[:, None] & ((column >= 0) & (column < COLUMNS * Y_UNIT))[None, :]

    w_channel = w_ptr + c.to(tl.int64) * K
    acc = tl.zeros((BLOCK_H, BLOCK_W), dtype=tl.float32)
    for k in range(K):  # the compiler unrolls a short one
        if PADDING > 0:
            tap_h = in_h + k * DILATION
            x_mask = ((tap_h >= 0) & (tap_h < H))[:, None] & ((in_w >= 0) & (in_w < W * X_UNIT))[
                None, :
            ]
        else:
            x_mask = y_mask  # every tap of an output that exists lies inside the input
        x_tap = x_tile + tl.cast(k * DILATION, tl.int64) * x_stride_h * X_UNIT
        x = tl.load(x_tap, mask=x_mask, other=0.0).to(tl.float32)
        acc += x * tl.load(w_channel + k).to(tl.float32)
    if b_ptr is not None:
        acc += tl.load(b_ptr + c).to(tl.float32)
    tl.store(y_tile, acc.to(y_ptr.dtype.element_ty), mask=y_mask)


DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def autocasted(x, weight, bias):
    """The tensors as autocast would hand them to F.conv2d; outside of it as they are."""
    device = x.device.type
    if not torch.is_autocast_enabled(device):
        return x, weight, bias
    dtype = torch.get_autocast_dtype(device)
    # Autocast leaves integers and float64 alone: they are refused here as outside of it.
    return [t if t is None or t.dtype not in DTYPES else t.to(dtype) for t in (x, weight, bias)]


def check_tensors(x, weight, bias):
    """Refuse what the kernel would compute wrongly or not at all."""
    if x.dim() != 4:
        raise ValueError(
            f"the input must have 4 dimensions (N, C, H, W), not shape {tuple(x.shape)}"
        )
    if x.dtype not in DTYPES:
        raise TypeError(f"the input must be float32, float16 or bfloat16, not {x.dtype}")
    c = x.shape[1]
    if weight.dim() != 4 or weight.shape != (c, 1, weight.shape[2], 1):
        raise ValueError(
            f"the weight must have shape (C, 1, K, 1) with the input's {c} channels, "
            f"not {tuple(weight.shape)}"
        )
    parameters = {"weight": weight}
    if bias is not None:
        if bias.shape != (c,):
            raise ValueError(f"the bias must have shape ({c},), not {tuple(bias.shape)}")
        parameters["bias"] = bias
    for name, tensor in parameters.items():
        if tensor.dtype != x.dtype:
            raise TypeError(f"the {name} is {tensor.dtype}, the input {x.dtype}: both must agree")
        if tensor.device != x.device:
            raise ValueError(f"the {name} is on {tensor.device}, the input on {x.device}: move one")
    if torch.is_grad_enabled() and any(t.requires_grad for t in (x, *parameters.values())):
        raise RuntimeError("this kernel has no backward pass: call it under torch.no_grad()")


def output_size(x, kernel_size, stride, padding, dilation):
    """Height and width of the output, both at least 1."""
    for name, value, least in (
        ("kernel size", kernel_size, 1),
        ("stride", stride, 1),
        ("padding", padding, 0),
        ("dilation", dilation, 1),
    ):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be one int of at least {least}, not {value!r}")
    h, w = x.shape[2:]
    h_out = (h + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1
    w_out = (w + 2 * padding - 1) // stride + 1
    if min(h, w, h_out, w_out) < 1:
        raise ValueError(
            f"an input of {h} x {w} with kernel size {kernel_size}, stride {stride}, padding "
            f"{padding} and dilation {dilation} gives {h_out} x {w_out}: no size may be below 1"
        )
    return h_out, w_out


def suggests_channels_last(tensor):
    """Whether a convolution in PyTorch would answer this tensor with a channels-last output.

    The rule of c10's is_channels_last_strides_2d, which has no name in Python. `is_contiguous`
    asks for more: it is false for a crop, whose convolution is nevertheless channels last.
    """
    if tensor.stride(1) == 0:
        return False
    least = 0
    for dim in (1, 3, 2, 0):
        if tensor.stride(dim) < least or (dim == 0 and least == tensor.stride(1)):
            return False
        least = tensor.stride(dim) * tensor.size(dim)
    return True


def hidden_unit(vector, *sizes):
    """The largest part of the vector width that divides every size; 1 where Triton knows more.

    Triton knows what 16 divides. Of other sizes, counted in a unit, it learns from the constant
    that multiplies them how many elements may be one access.
    """
    if all(size % 16 == 0 for size in sizes):
        return 1
    unit = vector
    while any(size % unit != 0 for size in sizes):
        unit //= 2
    return unit


def ceil_div(a, b):
    """What triton.cdiv gives, which takes 2 us a call on the host."""
    return -(-a // b)


def fitting_block(size, most, least):
    """The largest power of two up to `most` that leaves at most a fifth of its lanes idle."""
    block = most
    while block >= 2 * size or (block > least and 4 * ceil_div(size, block) * block > 5 * size):
        block //= 2
    return block


def fitting_warps(threads):
    """The largest power of two up to 8 that leaves no lane idle, at least 1."""
    warps = 8
    while warps > 1 and 32 * warps > threads:
        warps //= 2
    return warps


def tile_shape(h_out, columns, shared_rows, vector, channels_last):
    """BLOCK_H, BLOCK_W and the number of warps."""
    # 256 threads of one 128-bit access a tap. Channels last, a warp spans a row of the tile and a
    # thread owns two rows, since there each column needs weights of its own: two rows share them.
    elements = 256 * vector * (2 if channels_last else 1)
    widest = 32 * vector if channels_last else 512
    # A tile at least as tall as what it shares with the next reads no input row more than twice.
    block_h = 1
    while block_h < min(shared_rows, 32):
        block_h *= 2
    block_w = fitting_block(columns, most=min(widest, elements // block_h), least=8 * vector)
    block_h = fitting_block(h_out, most=elements // block_w, least=8)
    num_warps = fitting_warps(block_h * block_w // vector)
    return block_h, block_w, num_warps


def depthwise_conv_h(x, weight, bias, *, stride, padding, dilation):
    """F.conv2d(x, weight, bias, stride, padding, dilation, groups=C) for a weight (C, 1, K, 1).

    x is (N, C, H, W), in any memory format; the output has the format that F.conv2d would choose,
    and under autocast its dtype.
    """
    x, weight, bias = autocasted(x, weight, bias)
    check_tensors(x, weight, bias)
    n, c, h, w = x.shape
    k = weight.shape[2]
    h_out, w_out = output_size(x, k, stride, padding, dilation)
    if x.numel() == 0:
        return x.new_empty((n, c, h_out, w_out))

    channels_last = suggests_channels_last(x) or suggests_channels_last(weight)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    # Any outer strides will do, so a crop is read in place; only the innermost must be 1.
    if x.stride(1 if channels_last else 3) != 1:
        x = x.contiguous(memory_format=memory_format)
    size = (n, c, h_out, w_out)
    y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=memory_format)
    columns = w_out * c if channels_last else w_out
    vector = 16 // x.element_size()
    # Tiles begin at an aligned column of the input: K aligned loads to one unaligned store.
    skew = -padding % vector if stride == 1 and not channels_last else 0
    shared_rows = ceil_div(dilation * (k - 1) + 1 - stride, stride)
    block_h, block_w, num_warps = tile_shape(
        h_out, columns + skew, shared_rows, vector, channels_last
    )
    x_unit = 1
    if stride == 1 and not channels_last:
        x_unit = hidden_unit(vector, w, *x.stride()[:3])
        # Below 64 bits an access saves less than it costs to bring values to where they are stored.
        x_unit = x_unit if 2 * x_unit >= vector else 1
    y_unit = hidden_unit(vector, columns)
    planes = n if channels_last else n * c
    # Planes and rows share axis 0, which alone may pass 65,535.
    grid = (planes * ceil_div(h_out, block_h), ceil_div(columns + skew, block_w))
    if grid[0] > 2**31 - 1 or grid[1] > 65_535:
        raise ValueError(
            f"an output of {planes} planes of {h_out} x {columns} elements is more than one launch "
            "can cover: split the batch or the rows"
        )
    with torch.cuda.device(x.get_device()):  # Triton launches on the current device
        depthwise_conv_h_kernel[grid](
            x,
            weight.contiguous(),
            bias if bias is None else bias.contiguous(),
            y,
            h,
            w // x_unit,
            h_out,
            columns // y_unit,
            x.stride(0) // x_unit,
            x.stride(1) // x_unit,
            x.stride(2) // x_unit,
            X_STRIDE_W=x.stride(3) if channels_last else 1,
            C=c,
            K=k,
            STRIDE=stride,
            PADDING=padding,
            DILATION=dilation,
            CHANNELS_LAST=channels_last,
            SKEW=skew,
            X_UNIT=x_unit,
            Y_UNIT=y_unit,
            BLOCK_H=block_h,
            BLOCK_W=block_w,
            num_warps=num_warps,
        )
    return y


class ModelNew(nn.Module):
    def __init__(
        self,
        in_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        bias: bool = False,
    ):
        super().__init__()
        # Holds the parameters and is never called: so they are drawn as the reference draws them
        # and have its names in a state_dict, whatever PyTorch does to nn.Conv2d.
        self.conv2d = nn.Conv2d(
            in_channels, in_channels, (kernel_size, 1), groups=in_channels, bias=bias
        )
        self.stride = stride
        self.padding = padding
        self.dilation = dilation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight, bias = self.conv2d.weight, self.conv2d.bias
        return depthwise_conv_h(
            x, weight, bias, stride=self.stride, padding=self.padding, dilation=self.dilation
        )

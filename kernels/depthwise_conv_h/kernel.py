# ruff: noqa: PLR0402, PLR0917 - the imports are KernelBench's, and a Triton launch is positional
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def load_tap(x_tile, x_columns, in_h, down, H, x_stride_h):
    """The rows that lie `down` below those of x_tile, zero outside of the input."""
    tap_h = in_h + down
    x_mask = x_columns & ((tap_h >= 0) & (tap_h < H))
    x_tap = x_tile + tl.cast(down, tl.int64) * x_stride_h
    return tl.load(x_tap, mask=x_mask, other=0.0).to(tl.float32)


@triton.jit
def add_tap(totals, x, weights, TAP: tl.constexpr, TAP_STEP: tl.constexpr):
    """What each row's total is with x, which lies TAP taps below where the first row begins."""
    summed = ()
    for r in tl.static_range(len(totals)):
        if r * TAP_STEP <= TAP and r * TAP_STEP + len(weights) > TAP:
            summed += (totals[r] + x * weights[TAP - r * TAP_STEP],)
        else:
            summed += (totals[r],)
    return summed


@triton.jit
def own_groups(
    GROUPS, strips, BEYOND_INT32: tl.constexpr, STACKED: tl.constexpr, BLOCK: tl.constexpr
):
    """A program's groups, counted over all, the plane of each, and its strip of rows.

    Vertical neighbours have consecutive program ids, so the input rows that they share are still in
    L2. STACKED, a plane's strips follow one another: a program goes on from the end of one to the
    beginning of the next, and where planes are narrow it holds neighbours, who share in L1.
    """
    block = tl.program_id(0) if STACKED else tl.program_id(0) // strips
    if BEYOND_INT32:
        block = block.to(tl.int64)
    group = block * BLOCK + tl.arange(0, BLOCK)
    plane = group // GROUPS
    if STACKED:
        strip = (plane % strips).to(tl.int32)[:, None]
        plane = plane // strips
    else:
        strip = tl.program_id(0) % strips
    return group, plane, strip


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
    GROUPS,
    ALL_GROUPS,
    x_stride_n,
    x_stride_c,
    x_stride_h,
    X_STRIDE_W: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    STRIDE: tl.constexpr,
    PADDING: tl.constexpr,
    DILATION: tl.constexpr,
    ROW_STEP: tl.constexpr,
    TAP_STEP: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    BEYOND_INT32: tl.constexpr,
    STACKED: tl.constexpr,
    SKEW: tl.constexpr,
    X_UNIT: tl.constexpr,
    Y_UNIT: tl.constexpr,
    WIDTH: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """ROWS rows of BLOCK groups of WIDTH columns of the output.

    A plane is a matrix of H_OUT rows and COLUMNS columns whose columns are neighbours in memory:
    one channel of one image when contiguous, a whole image (column = w * C + c) when channels last.
    Groups are counted over all planes, so that none of a narrow plane's lanes is idle. The rows are
    ROW_STEP apart: the next one reads what this one reads TAP_STEP taps later, so each value of x
    is loaded once for all of them. W and the strides count in units of X_UNIT elements, COLUMNS in
    Y_UNIT (see `hidden_unit`).
    """
    strips = tl.cdiv(H_OUT, ROWS * ROW_STEP) * ROW_STEP
    group, plane, strip = own_groups(GROUPS, strips, BEYOND_INT32, STACKED, BLOCK)
    row = strip // ROW_STEP * (ROWS * ROW_STEP) + strip % ROW_STEP
    skewed = (group % GROUPS * WIDTH)[:, None] + tl.arange(0, WIDTH)[None, :]
    column = skewed - SKEW

    if CHANNELS_LAST:
        c = column % C
        in_w = column // C * STRIDE - PADDING
        x_column = in_w.to(tl.int64) * X_STRIDE_W + c
        x_plane = plane.to(tl.int64) * x_stride_n * X_UNIT
    else:
        c = (plane % C)[:, None]
        # One constant, a multiple of WIDTH (see `skew`), is what lets loads be vectors.
        in_w = skewed * STRIDE - (SKEW * STRIDE + PADDING)
        x_column = in_w
        x_image = (plane // C).to(tl.int64) * x_stride_n * X_UNIT
        x_plane = x_image + (plane % C).to(tl.int64) * x_stride_c * X_UNIT

    # 64 bits for what can pass 2^31 elements: one value a program or a group, not one an element.
    in_h = row * STRIDE - PADDING
    row_stride = tl.cast(x_stride_h, tl.int64) * X_UNIT
    x_tile = x_ptr + (x_plane[:, None] + in_h * row_stride) + x_column
    exists = (group < ALL_GROUPS)[:, None]
    x_columns = exists & (in_w < W * X_UNIT)
    if PADDING > 0:
        x_columns = x_columns & (in_w >= 0)

    w_channel = w_ptr + c.to(tl.int64) * K
    total = tl.zeros((BLOCK, WIDTH), dtype=tl.float32)
    if b_ptr is not None:
        total += tl.load(b_ptr + c).to(tl.float32)
    totals = (total,) * ROWS
    if K <= MOST_UNROLLED:
        weights = ()
        for k in tl.static_range(K):
            weights += (tl.load(w_channel + k).to(tl.float32),)
        for tap in tl.static_range(K + (ROWS - 1) * TAP_STEP):
            x = load_tap(x_tile, x_columns, in_h, tap * DILATION, H, row_stride)
            totals = add_tap(totals, x, weights, tap, TAP_STEP)
    else:
        for k in range(K):
            x = load_tap(x_tile, x_columns, in_h, k * DILATION, H, row_stride)
            totals = (totals[0] + x * tl.load(w_channel + k).to(tl.float32),)

    y_row = (plane.to(tl.int64)[:, None] * H_OUT + row) * COLUMNS * Y_UNIT
    y_tile = y_ptr + y_row + column
    y_columns = exists & (column >= 0) & (column < COLUMNS * Y_UNIT)
    for r in tl.static_range(ROWS):
        y_mask = y_columns & (row + r * ROW_STEP < H_OUT)
        y_rows = y_tile + tl.cast(r * ROW_STEP, tl.int64) * COLUMNS * Y_UNIT
        tl.store(y_rows, totals[r].to(y_ptr.dtype.element_ty), mask=y_mask)


@triton.jit
def plane_start(x_ptr, n, c, x_stride_n, x_stride_c, X_UNIT: tl.constexpr):
    """Where a channel of an image begins."""
    x_image = n.to(tl.int64) * x_stride_n * X_UNIT
    return x_ptr + x_image + c.to(tl.int64) * x_stride_c * X_UNIT


@triton.jit
def load_rows(x_tile, x_columns, in_h, H, offset):
    """Rows `in_h` of the input, each so far from x_tile, zero outside of it."""
    mask = ((in_h >= 0) & (in_h < H))[:, None] & x_columns
    return tl.load(x_tile + offset[:, None], mask=mask, other=0.0)


@triton.jit
def load_bias(b_ptr, c):
    bias = 0.0
    if b_ptr is not None:
        bias += tl.load(b_ptr + c).to(tl.float32)
    return bias


@triton.jit
def load_band(w_channel, FIRST: tl.constexpr, ROWS: tl.constexpr, DEPTH: tl.constexpr, K):
    """What ROWS rows take of DEPTH rows of x, the first of which is tap FIRST of row 0."""
    tap = FIRST + tl.arange(0, DEPTH)[None, :] - tl.arange(0, ROWS)[:, None]
    return tl.load(w_channel + tap, mask=(tap >= 0) & (tap < K), other=0.0)


@triton.jit
def halves(sums):
    """The upper and the lower half of the rows, each thread's own."""
    ROWS: tl.constexpr = sums.shape[0]
    pairs = tl.permute(tl.reshape(sums, (2, ROWS // 2, sums.shape[1])), (1, 2, 0))
    return tl.split(pairs)


@triton.jit
def all_finite(sums):
    """Whether zero times each is zero, as integers: a warp finds their largest in one step."""
    upper, lower = halves(sums)
    sums = upper * 0.0 + lower
    return tl.max((sums * 0.0).to(tl.int32, bitcast=True) & 0x7FFFFFFF) == 0


@triton.jit
def sum_taps(
    x_tile, x_columns, in_h, H, x_stride_h, w_channel, bias, K: tl.constexpr, DILATION: tl.constexpr
):
    """The sums of rows whose first tap is `in_h`, and of a border, tap by tap."""
    total = tl.zeros((in_h.shape[0], x_tile.shape[1]), dtype=tl.float32) + bias
    border = bias
    # Counted at run time: unrolled, they would take registers from what is summed before.
    for k in range(tl.minimum(K, H + K)):
        weight = tl.load(w_channel + k).to(tl.float32)
        tap_h = in_h + k * DILATION
        x_tap = load_rows(x_tile, x_columns, tap_h, H, tap_h * x_stride_h)
        total += x_tap.to(tl.float32) * weight
        border += 0.0 * weight
    return total, border


@triton.jit
def store_border(y_border, y_rows, border, PADDING: tl.constexpr):
    """PADDING columns of rows of the output."""
    side = tl.arange(0, 16 if PADDING <= 16 else 32)[None, :]
    mask = y_rows & (side < PADDING)
    beside = (tl.zeros(mask.shape, dtype=tl.float32) + border).to(y_border.dtype.element_ty)
    tl.store(y_border + side, beside, mask=mask)


@triton.jit
def store_rows(
    y_tile, y_rows, x_columns, total, border, in_w, width, block, BLOCKS, PADDING: tl.constexpr
):
    """Rows of the output, with the borders that lie beside this block of columns."""
    y = total.to(y_tile.dtype.element_ty)
    tl.store(y_tile + in_w[None, :] + PADDING, y, mask=y_rows & x_columns)
    if PADDING > 0:  # at once: a sector that is written in parts, and late, costs twice
        if block == 0:
            store_border(y_tile, y_rows, border, PADDING)
        if block == BLOCKS - 1:
            store_border(y_tile + width + PADDING, y_rows, border, PADDING)


@triton.jit
def high_part(x):
    """The nearest number of 11 significant bits, which a product of TF32 takes as it is."""
    bits = x.to(tl.int32, bitcast=True) + 0x1000
    return (bits & -0x2000).to(tl.float32, bitcast=True)


@triton.jit
def multiply(band, x, total):
    """total + band @ x in float32.

    Of float32 in three products of TF32: the fourth, of both rests, is below 2^-22 of the first.
    """
    if x.dtype == tl.float32:
        band_high, x_high = high_part(band), high_part(x)
        total = tl.dot(band - band_high, x_high, total, input_precision="tf32")
        total = tl.dot(band_high, x - x_high, total, input_precision="tf32")
        return tl.dot(band_high, x_high, total, input_precision="tf32")
    return tl.dot(band, x, total)


@triton.jit
def store_turned(
    y_ptr,
    y_strip,
    row,
    H_OUT,
    total,
    border,
    width,
    PADDING: tl.constexpr,
    DILATION: tl.constexpr,
):
    """Rows of the output with both borders, in whole sectors of 32 bytes.

    A sector that is written in parts costs more than twice. So the run of memory that a row stores
    begins with the sector in which its sums begin and ends where the next row's does, and its sums
    are turned by as many columns: through shared memory, in which 16 columns of each row follow one
    another, so that neither the rows in which a warp has its sums nor the columns that it stores
    share many banks. What a run has beyond BLOCK columns, the lanes of its first ones store.
    """
    ROWS: tl.constexpr = total.shape[0]
    BLOCK: tl.constexpr = total.shape[1]
    LANES: tl.constexpr = 256 // y_ptr.dtype.element_ty.primitive_bitwidth
    y = tl.reshape(total.to(y_ptr.dtype.element_ty), (ROWS, BLOCK // 16, 16))
    y = tl.reshape(tl.permute(y, (1, 0, 2)), (ROWS * BLOCK,))
    sector = tl.arange(0, ROWS * BLOCK // LANES)[:, None]
    lane = tl.arange(0, LANES)[None, :]
    first_column = sector // ROWS * LANES
    own_row = sector % ROWS
    if LANES == 8:  # four of a row at once: fewer requests to L2, for which halves lack registers
        lane += sector % 4 * LANES
        first_column = sector // (4 * ROWS) * (4 * LANES)
        own_row = sector // 4 % ROWS
    column = first_column + lane
    down = own_row * DILATION
    columns = width + 2 * PADDING
    within = (y_strip & (LANES - 1)).to(tl.int32)
    begin = within + down * columns + PADDING
    phase = begin & (LANES - 1)
    turned = lane - phase
    source = ((turned >> 4) * ROWS + own_row) * 16 + (turned & 15)
    source = (source + first_column * ROWS) & (ROWS * BLOCK - 1)
    y = tl.gather(y, tl.reshape(source, (ROWS * BLOCK,)), 0)
    y = tl.reshape(y, (ROWS * BLOCK // LANES, LANES))
    beside = (tl.zeros(y.shape, dtype=tl.float32) + border).to(y.dtype)

    # All of these are even, as rows are: two columns are one store.
    y_run = y_ptr + tl.multiple_of(y_strip - within, 2)
    y_run += tl.multiple_of(begin - phase, (2, 2))
    first = tl.multiple_of(tl.where(row + down == 0, phase - PADDING, 0), (2, 2))
    end = phase + columns - (phase + columns & (LANES - 1))
    end = tl.where(row + down == H_OUT - 1, phase + width + PADDING, end)
    end = tl.multiple_of(tl.where(row + down < H_OUT, end, 0), (2, 2))
    mask = (column >= first) & (column < end)
    tl.store(y_run + column, tl.where(column >= phase, y, beside), mask=mask)
    beyond = column + BLOCK
    mask = (column < 2 * PADDING + LANES) & (beyond < end)
    tl.store(y_run + beyond, tl.where(beyond < phase + width, y, beside), mask=mask)


@triton.jit
def run_layout(
    width,
    phase,
    PADDING: tl.constexpr,
    IMAGES: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Where ROWS rows of the output lie in a run of memory and in sums of BLOCK columns each.

    Of IMAGES such runs, in sectors of 16 elements: the place of each in its run, which begins
    `phase` after a sector does, and in the sums as `store_run` orders them. A border is the sum of
    zeros in the column beyond the input's last one, so BLOCK must be wider. The four sectors that
    a warp stores at once are of two rows, which share few banks.
    """
    APART: tl.constexpr = BLOCK // 16
    SECTORS: tl.constexpr = ROWS * BLOCK // 16
    index = tl.arange(0, IMAGES * SECTORS)[:, None]
    sector = index & (SECTORS - 2 * APART) | (index & 2) * (APART // 2)
    sector |= index >> 1 & (APART - 2) | index & 1
    slot = sector * 16 + tl.arange(0, 16)[None, :]
    columns = width + 2 * PADDING
    place = slot - phase
    # Exact for fewer than 2^20 / columns places; a division would cost as much as a strip.
    row = place * (((1 << 20) + columns - 1) // columns) >> 20
    column = place - PADDING + row * -columns
    # Unsigned, what is negative is the largest.
    column = tl.minimum(column.to(tl.uint32, bitcast=True), width.to(tl.uint32))
    column = column.to(tl.int32, bitcast=True)
    source = column + (column & -16) * (ROWS - 1) + row * 16
    source = (source & (ROWS * BLOCK - 1)) + index // SECTORS * (ROWS * BLOCK)
    return slot, source


@triton.jit
def store_run(y_run, total, source, mask):
    """Sums to where `run_layout` says, through shared memory."""
    ROWS: tl.constexpr = total.shape[0]
    SECTORS: tl.constexpr = total.shape[1] // 16
    y = tl.reshape(total.to(y_run.dtype.element_ty), (ROWS, SECTORS, 16))
    y = tl.reshape(tl.permute(y, (1, 0, 2)), (ROWS * SECTORS * 16,))
    y = tl.gather(y, tl.reshape(source, (ROWS * SECTORS * 16,)), 0)
    tl.store(y_run, tl.reshape(y, (ROWS * SECTORS, 16)), mask=mask)


@triton.jit
def banded_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    H,
    W,
    H_OUT,
    BLOCKS,
    x_stride_n,
    x_stride_c,
    x_stride_h,
    C: tl.constexpr,
    K: tl.constexpr,
    PADDING: tl.constexpr,
    DILATION: tl.constexpr,
    X_UNIT: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """ROWS rows of what BLOCK columns of the input give, as one product on tensor cores.

    Rows are DILATION apart, so ROWS of them need ROWS + K - 1 rows of x, and row r is the sum of
    w[j - r] times the j-th of them: w becomes a banded matrix. Zero times infinity is NaN, within
    the band and in the borders, the PADDING columns on either side that see nothing of the input:
    sums that are not finite are computed again, tap by tap. W and the strides count in units of
    X_UNIT elements.
    """
    height: tl.constexpr = ROWS * DILATION
    parts = tl.cdiv(H_OUT, height) * DILATION
    part = tl.program_id(0) % parts
    row = part // DILATION * height + part % DILATION
    block = tl.program_id(0) // parts % BLOCKS
    plane = tl.program_id(0) // parts // BLOCKS
    c = plane % C
    in_w = block * BLOCK + tl.arange(0, BLOCK)
    r = tl.arange(0, ROWS) * DILATION
    row_stride = tl.cast(x_stride_h, tl.int64) * X_UNIT
    width = W * X_UNIT
    x_tile = plane_start(x_ptr, plane // C, c, x_stride_n, x_stride_c, X_UNIT) + in_w[None, :]
    x_columns = (in_w < width)[None, :]
    columns = width + 2 * PADDING
    y_first = (plane.to(tl.int64) * H_OUT + row) * columns
    w_channel = w_ptr + c.to(tl.int64) * K
    bias = load_bias(b_ptr, c)

    in_h = row - PADDING
    end = tl.minimum(H, in_h + height + (K - 1) * DILATION)  # no row below it is needed
    first = in_h + tl.arange(0, 2 * ROWS) * DILATION
    x = load_rows(x_tile, x_columns, first, end, first * row_stride)
    total = tl.zeros((ROWS, BLOCK), dtype=tl.float32) + bias
    total = tl.dot(load_band(w_channel, 0, ROWS, 2 * ROWS, K), x, total)
    border = bias
    if not all_finite(total):  # after the store it would cost 10 %
        total, border = sum_taps(
            x_tile, x_columns, in_h + r, H, row_stride, w_channel, bias, K, DILATION
        )
    y_tile = y_ptr + y_first + (r * columns)[:, None]
    y_rows = (row + r < H_OUT)[:, None]
    store_rows(y_tile, y_rows, x_columns, total, border, in_w, width, block, BLOCKS, PADDING)


@triton.jit
def own_strips(H_OUT, STRIPS, PARTS, UNCUT, LAST_PARTS, DILATION: tl.constexpr, STEP: tl.constexpr):
    """A program's block of columns, counted over all planes, its first row and number of strips.

    PARTS and LAST_PARTS are the programs of a block before and beyond UNCUT.
    """
    program = tl.program_id(0)
    strips = STRIPS
    block = program // PARTS
    part = program % PARTS
    if block >= UNCUT:
        strips = LAST_STRIPS
        block = UNCUT + (program - UNCUT * PARTS) // LAST_PARTS
        part = (program - UNCUT * PARTS) % LAST_PARTS
    row = part // DILATION * (strips * STEP) + part % DILATION
    return block, row, tl.minimum(strips, tl.cdiv(H_OUT - row, STEP))


@triton.jit
def strips_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    H,
    W,
    H_OUT,
    BLOCKS,
    STRIPS,
    PARTS,
    UNCUT,
    LAST_PARTS,
    x_stride_n,
    x_stride_c,
    x_stride_h,
    C: tl.constexpr,
    K: tl.constexpr,
    PADDING: tl.constexpr,
    DILATION: tl.constexpr,
    X_UNIT: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    TURNED: tl.constexpr,
    RUN: tl.constexpr,
):
    """`banded_kernel` for up to STRIPS strips of ROWS rows, one after the other.

    For each strip only ROWS rows of x are loaded: they end the sums of the strip one or two above,
    go on with those of the one between and begin their own. The blocks beyond UNCUT are cut into
    programs of LAST_STRIPS, so that all SMs have something to do until the end. Rows are stored
    as they are summed, TURNED, or as the one RUN of memory that they are together.
    """
    step: tl.constexpr = ROWS * DILATION
    begun_above: tl.constexpr = 1 if K <= ROWS + 1 else 2
    block, row, strips = own_strips(H_OUT, STRIPS, PARTS, UNCUT, LAST_PARTS, DILATION, step)
    plane = block // BLOCKS
    block = block % BLOCKS
    c = plane % C
    in_w = block * BLOCK + tl.arange(0, BLOCK)
    r = tl.arange(0, ROWS) * DILATION
    row_stride = tl.cast(x_stride_h, tl.int64) * X_UNIT
    width = W * X_UNIT
    x_tile = plane_start(x_ptr, plane // C, c, x_stride_n, x_stride_c, X_UNIT) + in_w[None, :]
    x_columns = (in_w < width)[None, :]
    columns = width + 2 * PADDING
    y_first = (plane.to(tl.int64) * H_OUT + row) * columns
    w_channel = w_ptr + c.to(tl.int64) * K
    bias = load_bias(b_ptr, c)

    in_h = row - PADDING
    end = tl.minimum(H, in_h + strips * step + (K - 1) * DILATION)  # no row below it is needed
    upper = load_band(w_channel, 0, ROWS, ROWS, K)
    middle = load_band(w_channel, ROWS, ROWS, ROWS, K)
    lower = load_band(w_channel, 2 * ROWS, ROWS, ROWS, K)
    nothing = tl.zeros((ROWS, BLOCK), dtype=tl.float32) + bias
    begun, continued = nothing, nothing
    # Counted rather than computed from s: what a strip's lanes store, and where, would else be
    # computed once for all strips, and take more registers than there are.
    x_strip = x_tile + in_h * row_stride
    strip = row - begun_above * step
    y_strip = y_first - begun_above * step * columns
    if TURNED:  # no row above the plane's first has a part of its border
        store_border(y_ptr + y_first, row == 0, bias, PADDING)
    phase = tl.multiple_of((y_first & 14).to(tl.int32), 2)  # of all strips, which are whole sectors
    slot, source = run_layout(width, phase, PADDING, 1, ROWS, BLOCK)
    for s in range(strips + begun_above):
        x = load_rows(x_strip, x_columns, in_h + s * step + r, end, r * (x_stride_h * X_UNIT))
        if begun_above == 2:
            total = multiply(lower, x, continued)
            continued = multiply(middle, x, begun)
        else:
            total = multiply(middle, x, begun)
        begun = multiply(upper, x, total * 0.0 + bias)  # not finite where total is not
        if s >= begun_above:
            if TURNED:
                store_turned(y_ptr, y_strip, strip, H_OUT, total, bias, width, PADDING, DILATION)
            elif RUN:
                left = tl.multiple_of(tl.minimum(ROWS, H_OUT - strip) * columns, 2)
                y_run = y_ptr + tl.multiple_of(y_strip - phase, 2) + slot
                store_run(y_run, total, source, (slot >= phase) & (slot < phase + left))
            else:
                y_tile = y_ptr + y_strip + (r * columns)[:, None]
                y_rows = (strip + r < H_OUT)[:, None]
                store_rows(
                    y_tile, y_rows, x_columns, total, bias, in_w, width, block, BLOCKS, PADDING
                )
        x_strip += step * row_stride
        strip += step
        y_strip += step * columns
    if begun_above == 2:
        begun += continued
    if not all_finite(begun):
        tl.debug_barrier()  # another thread may have stored what is stored again
        few = tl.arange(0, 4) * DILATION  # more would take registers from the sums above
        for s in range(strips * (ROWS // 4)):
            down = s * (4 * DILATION) + few
            total, border = sum_taps(
                x_tile, x_columns, in_h + down, H, row_stride, w_channel, bias, K, DILATION
            )
            y_tile = y_ptr + y_first + (down * columns)[:, None]
            y_rows = (row + down < H_OUT)[:, None]
            store_rows(
                y_tile, y_rows, x_columns, total, border, in_w, width, block, BLOCKS, PADDING
            )
            # A turned run had parts of the neighbours' borders, which are as wide.
            above = y_rows & (row + down > 0)[:, None] & TURNED
            store_border(y_tile - PADDING, above, border, PADDING)
            below = (row + down + 1 < H_OUT)[:, None] & TURNED
            store_border(y_tile + columns, below, border, PADDING)


@triton.jit
def planes_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    H,
    W,
    H_OUT,
    N,
    x_stride_n,
    x_stride_c,
    x_stride_h,
    C: tl.constexpr,
    K: tl.constexpr,
    PADDING: tl.constexpr,
    X_UNIT: tl.constexpr,
    IMAGES: tl.constexpr,
    SIDE: tl.constexpr,
):
    """One channel's planes of IMAGES images, of up to SIDE rows and columns, in one product.

    As `banded_kernel`, but of whole planes, each of which is stored as the run of memory that it
    is. All of one program begin at the same place of a sector.
    """
    c = tl.program_id(0) % C
    n = tl.program_id(0) // C * IMAGES
    row = tl.arange(0, SIDE)
    image = tl.arange(0, IMAGES * SIDE) // SIDE
    in_w = tl.arange(0, IMAGES * SIDE) % SIDE

    row_stride = tl.cast(x_stride_h, tl.int64) * X_UNIT
    image_stride = tl.cast(x_stride_n, tl.int64) * X_UNIT
    x_plane = plane_start(x_ptr, n, c, x_stride_n, x_stride_c, X_UNIT)
    width = W * X_UNIT
    x_columns = ((in_w < width) & (n + image < N))[None, :]
    w_channel = w_ptr + c.to(tl.int64) * K
    bias = load_bias(b_ptr, c)

    x_tile = x_plane + (image * (x_stride_n * X_UNIT) + in_w)[None, :]
    x = load_rows(x_tile, x_columns, row, H, row * (x_stride_h * X_UNIT))
    total = tl.zeros((SIDE, IMAGES * SIDE), dtype=tl.float32) + bias
    total = tl.dot(load_band(w_channel, PADDING, SIDE, SIDE, K), x, total)
    # Infinity in x reaches all rows, in w those that see its tap, of which the lower half has one.
    _, lower = halves(total)
    finite = all_finite(lower)

    columns = width + 2 * PADDING
    size = H_OUT * columns
    y_first = (n.to(tl.int64) * C + c) * size
    phase = tl.multiple_of((y_first & 14).to(tl.int32), 2)
    slot, source = run_layout(width, phase, PADDING, IMAGES, SIDE, SIDE)
    image = tl.arange(0, IMAGES * SIDE * SIDE // 16)[:, None] // (SIDE * SIDE // 16)
    y_run = y_ptr + tl.multiple_of(y_first - phase, 2)
    mask = (slot >= phase) & (slot < phase + tl.multiple_of(size, 2)) & (n + image < N)
    store_run(y_run + (image * tl.multiple_of(C * size, 2) + slot), total, source, mask)
    if not finite:
        tl.debug_barrier()  # another thread may have stored what is stored again
        column = tl.arange(0, SIDE)
        exists = (column < width)[None, :]
        for i in range(tl.minimum(IMAGES, N - n)):
            x_one = x_plane + i * image_stride + column[None, :]
            for first in range(0, H_OUT, 8):  # more rows would take registers from the sums above
                few = first + tl.arange(0, 8)
                exact, border = sum_taps(
                    x_one, exists, few - PADDING, H, row_stride, w_channel, bias, K, 1
                )
                y_tile = y_ptr + y_first + i * C * size + (few * columns)[:, None]
                y_rows = (few < H_OUT)[:, None]
                store_rows(y_tile, y_rows, exists, exact, border, column, width, 0, 1, PADDING)


DTYPES = (torch.float32, torch.float16, torch.bfloat16)
# A longer kernel is a loop with one row a program: unrolled it would be compiled for minutes.
MOST_UNROLLED = tl.constexpr(32)
# With fewer programs none of them takes on more rows: about two for each SM of an H100.
FEW_PROGRAMS = 256
# So many and more may go on over whole planes, but for the last ones.
MANY_PROGRAMS = 1024
LAST_STRIPS = tl.constexpr(2)


def autocasted(x, *parameters):
    """The tensors as autocast would hand them to F.conv2d."""
    dtype = torch.get_autocast_dtype(x.device.type)
    # Autocast leaves integers and float64 alone: they are refused here as outside of it.
    return [t if t is None or t.dtype not in DTYPES else t.to(dtype) for t in (x, *parameters)]


def layout(tensor):
    """What a launch is planned by: all of a tensor but its values."""
    if tensor is None:
        return None
    return tensor.shape, tensor.stride(), tensor.dtype, tensor.device


def check_layouts(x, weight, bias):
    """Refuse what the kernel would compute wrongly or not at all."""
    size, _, dtype, device = x
    if len(size) != 4:
        raise ValueError(f"the input must have 4 dimensions (N, C, H, W), not shape {tuple(size)}")
    if dtype not in DTYPES:
        raise TypeError(f"the input must be float32, float16 or bfloat16, not {dtype}")
    c, w_size = size[1], weight[0]
    if len(w_size) != 4 or w_size != (c, 1, w_size[2], 1):
        raise ValueError(
            f"the weight must have shape (C, 1, K, 1) with the input's {c} channels, "
            f"not {tuple(w_size)}"
        )
    if bias is not None and bias[0] != (c,):
        raise ValueError(f"the bias must have shape ({c},), not {tuple(bias[0])}")
    for name, other in (("weight", weight), ("bias", bias)):
        if other is not None and other[2] != dtype:
            raise TypeError(f"the {name} is {other[2]}, the input {dtype}: both must agree")
        if other is not None and other[3] != device:
            raise ValueError(f"the {name} is on {other[3]}, the input on {device}: move one")


def output_size(h, w, kernel_size, stride, padding, dilation):
    """Height and width of the output, both at least 1."""
    for name, value, least in (
        ("kernel size", kernel_size, 1),
        ("stride", stride, 1),
        ("padding", padding, 0),
        ("dilation", dilation, 1),
    ):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be one int of at least {least}, not {value!r}")
    h_out = (h + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1
    w_out = (w + 2 * padding - 1) // stride + 1
    if min(h, w, h_out, w_out) < 1:
        raise ValueError(
            f"an input of {h} x {w} with kernel size {kernel_size}, stride {stride}, padding "
            f"{padding} and dilation {dilation} gives {h_out} x {w_out}: no size may be below 1"
        )
    return h_out, w_out


def suggests_channels_last(size, strides):
    """Whether a convolution in PyTorch would answer such a tensor with a channels-last output.

    The rule of c10's is_channels_last_strides_2d, which has no name in Python. `is_contiguous`
    asks for more: it is false for a crop, whose convolution is nevertheless channels last.
    """
    if strides[1] == 0:
        return False
    least = 0
    for dim in (1, 3, 2, 0):
        if strides[dim] < least or (dim == 0 and least == strides[1]):
            return False
        least = strides[dim] * size[dim]
    return True


def common_divisor(a, b):
    while b:
        a, b = b, a % b
    return a


def ceil_div(a, b):
    """What triton.cdiv gives, which takes 2 us a call on the host."""
    return -(-a // b)


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


def fitting_width(most, columns, padding, *sizes):
    """The largest power of two up to `most` that divides the sizes and leaves a tenth idle at most.

    A plane's groups begin at an aligned column of the input and end with the group that holds the
    plane's last column.
    """
    width = most
    while width > 1 and (
        any(size % width != 0 for size in sizes)
        or 9 * ceil_div(columns + -padding % width, width) * width > 10 * columns
    ):
        width //= 2
    return width


def aligns_outputs(k, padding, w, vector):
    """Whether unaligned loads cost less than to shift the outputs against their inputs."""
    return padding > 0 and (k > 17 or (k > 5 and w <= 32 and vector == 8))


def tile(k, stride, padding, c, columns, vector, channels_last, *sizes):
    """WIDTH, ROWS, BLOCK, number of warps and STACKED: what was fastest on an H100, by size.

    DRAM moves each element once. From L1 or L2 an output takes (K + (ROWS - 1) * TAP_STEP) / ROWS
    elements of x: in float32 8 bytes for 2 rows of 3 taps, where a row by itself takes 12.
    """
    if channels_last:
        # Each column has weights of its own: only the rows of a thread share them.
        width = fitting_width(vector, columns, 0, c)
        most = 56 if k <= 24 else 28  # sums; of more taps the weights leave less room
        return width, min(k + 1, most // width), 64, 2, False
    if stride > 1:  # neighbours are apart, so that no vector holds them
        return fitting_width(2, columns, 0), k // 2 + 1, 64, 2, False
    if k > 10:
        return long_tile(k, padding, columns, vector, *sizes)
    return short_tile(k, padding, columns, vector, *sizes)


def long_tile(k, padding, columns, vector, *sizes):
    """Many rows share what they load, so fewer columns: else registers leave too few warps.

    24 rows of 31 taps take 9 bytes an output in float32, each by itself 124.
    """
    pairs = vector == 8 and aligns_outputs(k, padding, sizes[0], vector)
    width = fitting_width(2 if pairs else vector // 2, columns, padding, *sizes)
    if pairs and width == 2 and k > 23:  # fewer taps with as many rows would spill
        return width, 28, 128, 4, False
    if vector == 8:
        return width, min(14, k // 2 + 5), 128, 4, False
    if k <= 17:
        return width, 16, 256, 8, True
    return width, 22 if padding > 0 else 24, 128, 4, False


def short_tile(k, padding, columns, vector, *sizes):
    """Whole vectors; padding shifts the outputs against their inputs, which are what is aligned.

    A sector of 32 bytes is then written by two groups, so a program holds more of them. Halves are
    stored one by one. 7 rows of 7 taps take 7.4 bytes an output in float32.
    """
    pairs = padding > 0 and k > 5 and vector == 8
    width = fitting_width(2 if pairs else vector, columns, padding, *sizes)
    if padding == 0 and width > 1:
        return width, k // 2 + 1, 64, 2, False
    rows = max(4 if vector == 4 else 6, k)
    if vector == 4 and width == 1 and columns <= 16:
        return width, rows, 128, 4, True  # vertical neighbours share sectors
    if vector == 4 and width == 2 and columns >= 20:
        return width, 4, 32, 1, False  # one warp shifts its outputs and waits for no other
    if pairs and width == 2:
        aligned = aligns_outputs(k, padding, sizes[0], vector)
        return (width, k, 128, 4, True) if aligned else (width, min(2 * k, 16), 256, 4, True)
    block = 256 if 2 * width * rows <= 64 else 128
    return width, rows, block, 8 if width == 1 else 4, False


def banded_block(x, size, k, padding, dilation):
    """BLOCK of `banded_kernel` and `strips_kernel`; 0 where the tiles are as fast or must.

    Without padding a short kernel is at a copy's speed by itself; padded, it gains where there are
    columns and programs enough. A strip takes K - 1 more rows of x than it stores: 16 of 7 taps
    2.8 bytes an output in half precision.
    """
    (_, _, _, w), _, dtype, _ = x
    vector = 16 // dtype.itemsize
    if k < (6 if padding > 0 else 11) or max(k - 1, padding) > 32:
        return 0
    if any(each % vector != 0 for each in (w, *x[1][:3])):  # loads of 16 bytes
        return 0
    if 128 * dilation * size[3] > 2**31 - 1:  # what lies between a program's rows of the output
        return 0
    if k <= 10 and size[0] * size[1] * size[2] < 2**16:
        return 0
    widest = 128 if k > 17 and padding == 0 else 256
    for block in (256, 128, 64, 32) if k > 10 else (256,):
        if block <= widest and fits(w, block):
            return block
    return 0


def fits(w, block):
    """Whether blocks of so many columns leave few of them idle."""
    return 20 * (ceil_div(w, block) * block - w) <= 3 * w  # 15 %


def banded_launch(x, size, k, padding, dilation):
    """Programs, sizes and constants of `banded_kernel`, and the largest number that it counts.

    Sizes and constants beside those that the three kernels of bands have in common. None where
    another kernel is as fast or must.
    """
    (n, c, _, w), _, _, _ = x
    h_out = size[2]
    block = banded_block(x, size, k, padding, dilation)
    if block == 0:
        return None
    blocks = ceil_div(w, block)
    rows = 32 if k > 17 else 16
    programs = n * c * blocks * dilation * ceil_div(h_out, rows * dilation)
    constants = {
        "DILATION": dilation,
        "ROWS": rows,
        "BLOCK": block,
        "num_warps": max(1, block // 64),
        "num_stages": 4,
    }
    return programs, (blocks,), constants, max(h_out + 3 * rows * dilation, size[3] + block)


def strips_form(x, size, k, padding, dilation):
    """BLOCK, TURNED and RUN of `strips_kernel`; BLOCK is 0 where another is as fast or must.

    Rows begin anywhere in a sector. TURNED, the borders of two rows fill the one that they share.
    In a RUN, one of them may have the sums of both. Float32 takes three times the products, and
    gains where the taps are many.
    """
    (_, _, _, w), strides, dtype, _ = x
    if k > 17:
        block = banded_block(x, size, k, padding, dilation)
        lanes = 32 // dtype.itemsize
        turned = w <= block and lanes <= 2 * padding <= block - lanes
        if dtype.itemsize == 4 and not (turned and k > 20 and dilation == 1):
            block = 0
        return block, turned, False
    halves = dtype.itemsize == 2 and all(each % 8 == 0 for each in (w, *strides[:3]))
    if halves and k > 2 and padding > 0 and dilation == 1:
        for block in (256, 128):
            if w + 2 * padding < block and fits(w, block):
                return block, False, True
    return 0, False, False


def strips_launch(x, size, k, padding, dilation):
    """The same of `strips_kernel`."""
    (n, c, _, w), x_strides, dtype, _ = x
    h_out = size[2]
    rows = 16
    block, turned, run = strips_form(x, size, k, padding, dilation)
    if block == 0 or h_out <= 2 * rows * dilation:
        return None
    if rows * dilation * x_strides[2] > 2**31 - 1:  # what lies between a strip's rows
        return None
    blocks = ceil_div(w, block)
    planes = n * c * blocks
    all_strips = ceil_div(h_out, rows * dilation)
    # Several strips load fewer rows of x twice, where there are rows for them, and programs left:
    # of 31 taps four take 2.9 bytes an output in half precision, one of 32 rows 3.9, a plane 2.
    strips, uncut = 4, planes
    programs = planes * ceil_div(all_strips, strips) * dilation
    if run or dtype.itemsize == 4:
        if programs < 2 * MANY_PROGRAMS:
            return None
        strips = min(all_strips, max(strips, planes * all_strips // MANY_PROGRAMS))
        uncut -= planes // 16
    elif programs < FEW_PROGRAMS:
        return None
    parts = ceil_div(all_strips, strips) * dilation
    last_parts = ceil_div(all_strips, LAST_STRIPS.value) * dilation
    programs = uncut * parts + (planes - uncut) * last_parts
    constants = {
        "DILATION": dilation,
        "ROWS": rows,
        "BLOCK": block,
        "TURNED": turned,
        "RUN": run,
        "num_warps": max(1, block // (32 if run else 64)),
        "num_stages": 3 if dtype.itemsize == 4 else 4,
    }
    largest = max(h_out + (strips + 2) * rows * dilation, size[3] + block)
    return programs, (blocks, strips, parts, uncut, last_parts), constants, largest


def planes_launch(x, size, k, padding, dilation):
    """The same of `planes_kernel`, which loads each byte once and nothing besides."""
    (n, c, h, w), x_strides, _, _ = x
    h_out, w_out = size[2:]
    side, images = 32, 8
    if not 2 < k <= 17 or padding == 0 or dilation > 1 or max(h, h_out, w + 1) > side:
        return None
    # Loads and stores of 4 bytes and more; all planes of a program begin alike in a sector.
    if any(each % 2 != 0 for each in (w, *x_strides[:3])) or c * h_out * w_out % 16 != 0:
        return None
    if not side**2 * 3 // 4 < h_out * w_out <= side**2 - 14:
        return None
    programs = ceil_div(n, images) * c
    # 32 bits for what lies between a program's planes and rows.
    if (
        programs < MANY_PROGRAMS
        or side * max(x_strides[0], x_strides[2], c * h_out * w_out) > 2**31 - 1
    ):
        return None
    constants = {"IMAGES": images, "SIDE": side, "num_warps": 4}
    return programs, (n,), constants, n + images


def tiled_launch(x, size, k, stride, padding, dilation, channels_last):
    """The name, all sizes and constants of `depthwise_conv_h_kernel`, which takes what there is."""
    (n, c, h, w), x_strides, dtype, _ = x
    h_out, w_out = size[2:]
    columns, planes = (w_out * c, n) if channels_last else (w_out, n * c)
    vector = 16 // dtype.itemsize
    # Output rows so far apart share their input rows, the next one beginning `tap_step` taps later.
    common = common_divisor(stride, dilation)
    row_step, tap_step = dilation // common, stride // common
    x_sizes = (w, *x_strides[:3])
    shape = (k, stride, padding, c, columns, vector, channels_last, *x_sizes)
    width, rows, block, num_warps, stacked = tile(*shape)
    alone = k > MOST_UNROLLED.value or tap_step >= k
    rows = 1 if alone else min(rows, ceil_div(h_out, row_step))
    if rows == 1:  # no row is apart from another: steps of more would be programs without rows
        row_step = 1
    # Groups begin at an aligned column of the input: many aligned loads to few unaligned stores.
    aligned = stride == 1 and not channels_last
    aligned = aligned and not aligns_outputs(k, padding, w, vector)
    skew = -padding % width if aligned else 0
    x_unit = hidden_unit(width, *x_sizes) if aligned else 1
    y_unit = hidden_unit(width, columns)

    groups = ceil_div(columns + skew, width)
    strips = ceil_div(h_out, rows * row_step) * row_step
    all_groups = groups * planes * (strips if stacked else 1)
    programs = ceil_div(all_groups, block) * (1 if stacked else strips)
    sizes = (
        h,
        w // x_unit,
        h_out,
        columns // y_unit,
        groups,
        all_groups,
        x_strides[0] // x_unit,
        x_strides[1] // x_unit,
        x_strides[2] // x_unit,
    )
    constants = {
        "X_STRIDE_W": x_strides[3] if channels_last else 1,
        "C": c,
        "K": k,
        "STRIDE": stride,
        "PADDING": padding,
        "DILATION": dilation,
        "ROW_STEP": row_step,
        "TAP_STEP": tap_step,
        "CHANNELS_LAST": channels_last,
        "BEYOND_INT32": all_groups > 2**31 - 1 - block,
        "STACKED": stacked,
        "SKEW": skew,
        "X_UNIT": x_unit,
        "Y_UNIT": y_unit,
        "WIDTH": width,
        "ROWS": rows,
        "BLOCK": block,
        "num_warps": num_warps,
    }
    last_row = (h_out + rows * row_step) * stride + dilation * (k - 1)
    largest = max(last_row, groups * width, (w_out + width) * stride)
    return "tiles", programs, sizes, constants, largest


def tensor_core_launch(x, size, k, padding, dilation):
    """The same of the fastest kernel of those that multiply bands; None where none is fast."""
    (_, c, h, w), x_strides, dtype, _ = x
    launches = {"strips": strips_launch}
    if dtype.itemsize == 2:
        launches |= {"planes": planes_launch, "bands": banded_launch}
    for name, launch in launches.items():
        found = launch(x, size, k, padding, dilation)
        if found is not None:
            programs, own, constants, largest = found
            unit = hidden_unit(16 // dtype.itemsize, w, *x_strides[:3])
            constants = {"C": c, "K": k, "PADDING": padding, "X_UNIT": unit, **constants}
            outer = (stride // unit for stride in x_strides[:3])
            return name, programs, (h, w // unit, size[2], *own, *outer), constants, largest
    return None


def plan(x, weight, bias, stride, padding, dilation):
    """A launch for tensors of these layouts; raises where there is none.

    Size and strides of the output, number of programs, sizes and constants of the kernel, its name,
    and the memory format that x must be copied to before, or None.
    """
    check_layouts(x, weight, bias)
    (n, c, h, w), x_strides, _, _ = x
    k = weight[0][2]
    h_out, w_out = output_size(h, w, k, stride, padding, dilation)
    size = (n, c, h_out, w_out)
    channels_last = suggests_channels_last(*x[:2]) or suggests_channels_last(*weight[:2])
    # Any outer strides will do, so a crop is read in place; only the innermost must be 1.
    copy_to = None
    if x_strides[1 if channels_last else 3] != 1:
        copy_to = torch.channels_last if channels_last else torch.contiguous_format
    launch = None
    if stride == 1 and not channels_last:
        launch = tensor_core_launch(x, size, k, padding, dilation)
    if launch is None:
        launch = tiled_launch(x, size, k, stride, padding, dilation, channels_last)
    name, programs, sizes, constants, largest = launch
    # Rows and columns are 32-bit numbers in the kernel, also those beyond the edges.
    if max(programs, largest) > 2**31 - 1:
        raise ValueError(
            f"an output of {n * c} planes of {h_out} x {w_out} elements is more than one launch "
            "can cover: split the batch or the rows"
        )
    # An empty output of F.conv2d is contiguous, whatever its input was.
    outer = (1, w_out * c, c) if channels_last and n > 0 else (h_out * w_out, w_out, 1)
    y_strides = (c * h_out * w_out, *outer)
    return size, y_strides, programs, sizes, constants, name, copy_to


# A plan takes the host longer than a launch, and a program calls with few layouts.
PLANS = {}
MOST_PLANS = 1000


def remembered_plan(*given):
    # Of stride, padding and dilation: to name them would take the host longer.
    if not type(given[3]) is type(given[4]) is type(given[5]) is int:
        return plan(*given)  # 1.0 equals 1, and is refused; a list has no hash
    found = PLANS.get(given)
    if found is None:
        if len(PLANS) >= MOST_PLANS:
            PLANS.clear()
        found = PLANS[given] = plan(*given)
    return found


def depthwise_conv_h(x, weight, bias, *, stride, padding, dilation):
    """F.conv2d(x, weight, bias, stride, padding, dilation, groups=C) for a weight (C, 1, K, 1).

    x is (N, C, H, W), in any memory format; the output has the format that F.conv2d would choose,
    and under autocast its dtype.
    """
    compiling = torch.compiler.is_compiling()  # then the compiler sees to the device
    on_gpu = x.is_cuda
    several = on_gpu and not compiling and torch.cuda.device_count() > 1
    if several and x.get_device() != torch.cuda.current_device():
        with torch.cuda.device(x.get_device()):  # Triton launches on the current one
            return depthwise_conv_h(
                x, weight, bias, stride=stride, padding=padding, dilation=dilation
            )
    if torch.is_autocast_enabled("cuda" if on_gpu else "cpu"):
        x, weight, bias = autocasted(x, weight, bias)
    # A pointer says nothing of a negation that is left to be done. The compiler cannot ask for it.
    if compiling or x.is_neg() or weight.is_neg():
        x, weight = x.resolve_neg(), weight.resolve_neg()
    if torch.is_grad_enabled() and (
        x.requires_grad or weight.requires_grad or (bias is not None and bias.requires_grad)
    ):
        raise RuntimeError("this kernel has no backward pass: call it under torch.no_grad()")
    planned = plan if compiling else remembered_plan
    given = (layout(x), layout(weight), layout(bias), stride, padding, dilation)
    size, strides, programs, sizes, constants, name, copy_to = planned(*given)
    if copy_to is not None:
        x = x.contiguous(memory_format=copy_to)
        size, strides, programs, sizes, constants, name, _ = planned(layout(x), *given[1:])
    y = x.new_empty_strided(size, strides)
    if programs > 0:
        kernel = depthwise_conv_h_kernel
        if name == "bands":
            kernel = banded_kernel
        elif name == "strips":
            kernel = strips_kernel
        elif name == "planes":
            kernel = planes_kernel
        kernel[(programs,)](
            x,
            weight.contiguous(),
            bias if bias is None else bias.resolve_neg().contiguous(),
            y,
            *sizes,
            **constants,
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

"""The sizes on which the first kernel is held against others."""

from __future__ import annotations

from dataclasses import dataclass, replace

ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One depthwise convolution of an (n, c, h, w) input; `same` keeps its height at stride 1."""

    n: int
    c: int
    h: int
    w: int
    k: int = 3
    stride: int = 1
    same: bool = False
    dilation: int = 1
    dtype: str = "float32"
    bias: bool = False
    channels_last: bool = False

    @property
    def padding(self) -> int:
        return self.dilation * (self.k - 1) // 2 if self.same else 0

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        span = self.dilation * (self.k - 1) + 1
        h_out = (self.h + 2 * self.padding - span) // self.stride + 1
        w_out = (self.w + 2 * self.padding - 1) // self.stride + 1
        return self.n, self.c, h_out, w_out

    @property
    def input_bytes(self) -> int:
        return self.n * self.c * self.h * self.w * ITEM_BYTES[self.dtype]

    @property
    def output_bytes(self) -> int:
        n, c, h_out, w_out = self.output_shape
        return n * c * h_out * w_out * ITEM_BYTES[self.dtype]

    @property
    def bytes(self) -> int:
        """What must be moved at least: every byte of input, weights and output once."""
        parameters = self.c * (self.k + self.bias) * ITEM_BYTES[self.dtype]
        return self.input_bytes + parameters + self.output_bytes

    @property
    def name(self) -> str:
        extras = [
            f"s{self.stride}" if self.stride > 1 else "",
            "same" if self.same else "",
            f"d{self.dilation}" if self.dilation > 1 else "",
            "bias" if self.bias else "",
            "channels-last" if self.channels_last else "",
        ]
        shape = f"{self.n}x{self.c}x{self.h}x{self.w}"
        return " ".join([shape, f"k{self.k}", *filter(None, extras), self.dtype])


FLAGSHIP = Case(n=64, c=8, h=512, w=512)
BASE = Case(n=16, c=64, h=256, w=256)
BOTH = (False, True)


def _kernels() -> list[Case]:
    return [replace(BASE, k=k, same=same) for k in (1, 3, 5, 7, 15, 31) for same in BOTH]


def _strides_and_dilations() -> list[Case]:
    return [
        replace(BASE, stride=stride, dilation=dilation, same=same)
        for stride, dilation in ((1, 2), (1, 4), (2, 1), (2, 2), (2, 4))
        for same in BOTH
    ]


def _halves() -> list[Case]:
    return [
        replace(BASE, dtype=dtype, k=k, same=same)
        for dtype in ("float16", "bfloat16")
        for k in (3, 7, 31)
        for same in BOTH
    ]


def _stages_of_networks() -> list[Case]:
    sizes = ((64, 512, 7), (64, 512, 14), (64, 512, 28), (64, 64, 56), (32, 64, 112), (8, 8, 224))
    return [
        Case(n=n, c=c, h=size, w=size, k=k, same=True, dtype=dtype, bias=k == 7)
        for n, c, size in sizes
        for k, dtype in ((3, "float32"), (7, "float16"))
    ]


def _extremes() -> list[Case]:
    return [
        Case(n=1, c=1, h=2048, w=2048),
        Case(n=1, c=8, h=2048, w=2048, k=31, same=True),
        Case(n=2, c=64, h=1024, w=1024, k=15),
        Case(n=256, c=8, h=224, w=224, same=True),
        Case(n=256, c=1, h=512, w=512, k=5, dtype="float16"),
        Case(n=1, c=512, h=64, w=64, same=True),
        Case(n=16, c=64, h=7, w=2048, k=5, same=True),
        Case(n=16, c=64, h=2048, w=7, same=True),
        Case(n=64, c=8, h=511, w=511),
        Case(n=64, c=8, h=513, w=513, dtype="bfloat16", same=True),
    ]


def _others() -> list[Case]:
    return [
        replace(FLAGSHIP, bias=True),
        replace(BASE, k=7, same=True, bias=True, dilation=2),
        replace(BASE, channels_last=True),
        replace(BASE, channels_last=True, same=True, dtype="float16"),
        replace(BASE, channels_last=True, k=7, same=True, dtype="bfloat16"),
        Case(n=64, c=512, h=14, w=14, same=True, channels_last=True, dtype="float16"),
    ]


def grid() -> list[Case]:
    """Every case once, the flagship first."""
    cases = [
        FLAGSHIP,
        *_kernels(),
        *_strides_and_dilations(),
        *_halves(),
        *_stages_of_networks(),
        *_extremes(),
        *_others(),
    ]
    return list(dict.fromkeys(cases))

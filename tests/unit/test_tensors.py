import math

import pytest
import torch

from gate.tensors import (
    Fences,
    Poison,
    facts,
    fingerprint,
    leaves,
    map_tensors,
    memory,
    scale_,
    tensors,
)


@pytest.mark.parametrize(
    "make",
    [
        lambda like: torch.empty(3),
        torch.empty_like,
        lambda like: torch.empty_strided((2, 2), (1, 2)),
        lambda like: torch.empty_permuted((2, 3), (1, 0)),
        lambda like: like.new_empty(3),
        lambda like: like.new_empty_strided((2, 2), (2, 1)),
        lambda like: torch.empty(3, dtype=torch.bfloat16),
    ],
)
def test_memory_that_nobody_wrote_is_nan(make):
    like = torch.ones(3)
    with Poison():
        made = make(like)
    assert made.isnan().all()


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.float8_e4m3fn])
def test_every_dtype_can_be_poisoned(dtype):
    with Poison():
        made = torch.empty(3, dtype=dtype)
    assert not (made.view(torch.uint8) == 0).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.empty(3, 5),
        lambda: torch.empty_strided((2, 3), (1, 4)),
        lambda: torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last).new_empty(7),
        lambda: torch.empty_like(torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last)),
        lambda: torch.empty(3, dtype=torch.bool),
        lambda: torch.empty(3, dtype=torch.complex64),
    ],
)
def test_a_fenced_tensor_is_like_one_that_is_not(make):
    plain = make()
    with Poison(Fences()):
        fenced = make()
    assert (fenced.shape, fenced.stride(), fenced.dtype) == (
        plain.shape,
        plain.stride(),
        plain.dtype,
    )
    assert fenced.data_ptr() % 64 == 0


@pytest.mark.parametrize(("at", "side"), [(-1, "before"), (3, "after"), (1026, "after")])
def test_what_is_written_beside_a_tensor_is_seen(at, side):
    fences = Fences()
    with Poison(fences):
        made = torch.empty(3)
        torch.empty(0)
        torch.empty(3, device="meta")
    made.fill_(1.0)
    assert fences.broken() == ""
    made.as_strided((1,), (1,), made.storage_offset() + at).fill_(1.0)
    assert fences.broken() == f"at least 4 bytes {side} a tensor float32[3] that it allocated"


def test_nothing_else_is_poisoned():
    held = torch.ones(3)
    with Poison():
        assert torch.zeros(3).sum() == 0
        torch.empty(3, out=held)
    assert held.sum() == 3


def test_a_sparse_tensor_is_left_as_it_is():
    with Poison():
        assert torch.empty(3, layout=torch.sparse_coo)._nnz() == 0
        assert torch.empty(3, device="meta").shape == (3,)


def test_nesting_is_walked_and_kept():
    a, b = torch.ones(1), torch.zeros(2)
    nested = (a, [b, 3], None)
    assert list(leaves(nested)) == [a, b, 3, None]
    assert [t.numel() for t in tensors(nested)] == [1, 2]
    doubled = map_tensors(lambda t: t * 2, nested)
    assert (doubled[0].item(), doubled[1][1], doubled[2]) == (2.0, 3, None)


def test_memory_shows_the_gaps_too():
    wide = torch.zeros(4, 6)
    view = wide[:, ::2]
    before = memory(view).clone()
    wide[0, 1] = 1.0
    assert not torch.equal(before, memory(view))


@pytest.mark.parametrize("count", [0, 3, 4])
def test_memory_of_any_size_is_seen(count):
    held = torch.arange(count, dtype=torch.uint8)
    assert memory(held).untyped_storage().data_ptr() == held.untyped_storage().data_ptr()


def test_overlapping_views_are_scaled_once():
    expanded = torch.ones(1, 3).expand(4, 3)
    scale_(expanded, 1000.0)
    assert (expanded == 1000.0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.int64, torch.bool, torch.complex64])
def test_fingerprints_tell_draws_apart(dtype):
    first, second = torch.tensor([0, 1, 0]).to(dtype), torch.tensor([1, 1, 0]).to(dtype)
    assert fingerprint(first) == fingerprint(first.clone())
    assert fingerprint(first) != fingerprint(second)


def test_a_fingerprint_leaves_the_layout_out():
    square = torch.randn(3, 3)
    assert fingerprint(square.t()) == fingerprint(square.t().contiguous())
    assert fingerprint(torch.empty(0, 3)) == 0


def test_a_plain_tensor_is_described():
    described = facts(torch.zeros(2, 3, dtype=torch.float16).t(), {})
    assert described.type == "torch.Tensor"
    assert (described.device, described.dtype) == ("cpu", "float16")
    assert (described.shape, described.strides) == ((3, 2), (1, 3))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (torch.nn.Parameter(torch.ones(1)), "torch.nn.parameter.Parameter"),
        (torch.eye(2).to_sparse(), "torch.Tensor (torch.sparse_coo)"),
        (3, "builtins.int"),
        (None, "builtins.NoneType"),
    ],
)
def test_what_is_no_plain_tensor_says_so(value, kind):
    assert facts(value, {}).type == kind


def test_shared_memory_is_found_through_another_storage():
    owner = torch.arange(8, dtype=torch.float32)
    same = torch.frombuffer(memoryview(owner.numpy()), dtype=torch.float32, offset=16)
    assert facts(same, {"an input": [owner]}).alias == "an input"
    assert facts(owner.clone(), {"an input": [owner]}).alias == ""
    assert math.isclose(same[0].item(), 4.0)

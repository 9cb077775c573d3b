from pathlib import Path

import pytest

from gate.sass import (
    Disassembly,
    Resources,
    UnreadableDisassembly,
    read_disassembly,
    read_resources,
    width_bits,
)

RECORDED = (Path(__file__).parents[1] / "data" / "cuobjdump" / "copy_kernel_sm_89.txt").read_text()


def listing(*opcodes, resources="REG:34 STACK:0 SHARED:0 LOCAL:0", name="kernel"):
    """What cuobjdump prints of one function with these instructions, encodings left out."""
    head = (
        f"\nResource usage:\n Common:\n  GLOBAL:0\n Function {name}:\n  {resources} CONSTANT[0]:5\n"
    )
    lines = [f"        /*{16 * i:04x}*/                   {x} ;" for i, x in enumerate(opcodes)]
    return "\n".join([head, "\tcode for sm_89", f"\t\tFunction : {name}", *lines])


def test_a_recorded_kernel():
    assert read_disassembly(RECORDED, "copy_kernel") == Disassembly(
        resources=Resources(registers=18, stack_bytes=0, local_bytes=0),
        instructions=24,
        widest_global_load_bits=128,
        widest_global_store_bits=128,
    )


def test_the_seeds_line():
    text = listing("EXIT", resources="REG:34 STACK:0 SHARED:0 LOCAL:0")
    assert read_resources(text, "kernel") == Resources(registers=34, stack_bytes=0, local_bytes=0)


def test_stack_and_local_memory():
    text = listing("EXIT", resources="REG:255 STACK:1104 SHARED:1024 LOCAL:8")
    assert read_resources(text, "kernel") == Resources(
        registers=255, stack_bytes=1104, local_bytes=8
    )


@pytest.mark.parametrize(
    ("opcode", "bits"),
    [
        ("LDG.E", 32),
        ("LDG.E.64", 64),
        ("LDG.E.128", 128),
        ("LDG.E.128.CONSTANT", 128),
        ("LDG.E.ENL2.256", 256),
        ("LDG.E.U8", 8),
        ("LDG.E.S8", 8),
        ("LDG.E.U16.CONSTANT", 16),
        ("LDG.E.S16", 16),
        ("LDG.E.LTC128B", 32),
        ("LDG.E.LTC128B.64.CONSTANT", 64),
        ("LDG.E.EF.LTC128B.U16", 16),
        ("LDGSTS.E", 32),
        ("LDGSTS.E.BYPASS.LTC128B.128", 128),
        ("STG.E.STRONG.GPU", 32),
        ("STG.E.128", 128),
    ],
)
def test_widths(opcode, bits):
    assert width_bits(opcode) == bits


@pytest.mark.parametrize(
    ("instructions", "load", "store"),
    [
        (["EXIT"], 0, 0),
        (["LDG.E R0, [R2.64]", "STG.E.64 [R4.64], R2"], 32, 64),
        (["LDG.E.U16 R0, [R2.64+0x80]", "LDG.E.64 R0, [R2.64]"], 64, 0),
        (["@!P0 LDG.E.128 R4, [R2.64]", "@P1 STG.E.U8 [R4.64], R2"], 128, 8),
        (["@!UP0 UIADD3 UR4, UR5, 0x128, URZ"], 0, 0),
        (["LDGSTS.E.BYPASS.LTC128B.128 [R1+0x200], [R2.64], P2"], 128, 0),
        (["LDS.128 R4, [R2]", "STS.64 [R2], R4", "LDL.128 R4, [R1]", "STL.128 [R1], R4"], 0, 0),
        (["ATOMG.E.ADD.F32.FTZ.RN.STRONG.GPU PT, RZ, [R2.64], R5", "RED.E.ADD [R2.64], R5"], 0, 0),
        (["UTMALDG.2D [UR8], [UR4]", "UTMASTG.2D [UR8], [UR4]"], 128, 128),
        (["UBLKCP.S.G [UR8], [UR4], UR6"], 128, 0),
        (["UBLKCP.G.S [UR8], [UR4], UR6", "LDG.E R0, [R2.64]"], 32, 128),
    ],
)
def test_widest_global_accesses(instructions, load, store):
    code = read_disassembly(listing(*instructions), "kernel")
    assert (code.widest_global_load_bits, code.widest_global_store_bits) == (load, store)


def test_only_the_padding_at_the_end_is_not_counted():
    code = read_disassembly(
        listing("NOP", "MOV R1, R2", "NOP", "EXIT", "BRA 0x40", "NOP", "NOP"), "kernel"
    )
    assert code.instructions == 5


def test_functions_that_the_kernel_calls_are_counted_without_their_padding():
    text = listing("CALL.REL.NOINC 0x20", "EXIT", "NOP") + "\n\t\t..........\n\n\n"
    text += "\t\tFunction : helper\n        /*0000*/                   LDG.E.64 R0, [R2.64] ;\n"
    text += "        /*0010*/                   NOP ;\n"
    code = read_disassembly(text, "kernel")
    assert code.instructions == 3
    assert code.widest_global_load_bits == 64


@pytest.mark.parametrize(
    ("text", "entry", "message"),
    [
        ("", "kernel", "no instruction"),
        (listing(), "kernel", "no instruction"),
        (listing("EXIT"), "other", "nothing of the kernel 'other'"),
        (listing("EXIT", resources="REG:? STACK:0"), "kernel", "nothing of the kernel 'kernel'"),
    ],
)
def test_what_is_no_disassembly_is_said_to_be_none(text, entry, message):
    with pytest.raises(UnreadableDisassembly, match=message):
        read_disassembly(text, entry)

"""Targets, occupancy, comparison and the page: `python3 -m unittest discover -t tools -s tools/gpu_static`."""

import json
import unittest

from . import occupancy, table
from .assembly import Loop
from .exports import LAYERS, _sets, catalog, uncovered
from .msl_to_cuda import _body, translate
from .occupancy import Occupancy
from .records import Allowed, Record, Row, compare, worse
from .selftest import trivial_shader
from .shader import CompileError, Figures, Shader
from .targets import RECORDED, UnknownTarget, parse, parse_list


def figures(spills=(0, 0), resident=8, subgroup=32) -> Figures:
    return Figures(subgroup, 64, spills, 0, Occupancy(resident, 16), 100, [Loop(10, 5, {})])


def record(*rows: Row, compiler="ACO 1") -> Record:
    return Record("navi31", compiler, list(rows))


def row(label: str, result, also=()) -> Row:
    return Row(label, label.partition("@")[0], (64, 1, 1), result, list(also))


class Targets(unittest.TestCase):
    def test_spellings(self):
        self.assertEqual(parse("SM86").name, "sm_86")
        self.assertEqual((parse("sm_86").route, parse("sm_86.nvrtc").route, parse("sm_90").route), ("nvk", "nvidia", "nvidia"))
        self.assertEqual(parse("navi31.wave32").subgroup_size, 32)
        self.assertEqual([target.name for target in parse_list("dg2, dg2,bmg")], ["dg2", "bmg"])
        self.assertTrue(parse("sm_90.alias").aliasing)

    def test_nonsense(self):
        for text in ("navi99", "navi31.simd8", "dg2.nak", "sm_90.nak", "sm_86.wave32", ""):
            with self.assertRaises(UnknownTarget):
                parse(text)


class OccupancyOfUnits(unittest.TestCase):
    """Against figures that the drivers and NVIDIA's calculator give."""

    def test_amd(self):
        self.assertEqual(occupancy.amd("navi31", 120, 0, 256, 64, 0), Occupancy(6, 16))
        self.assertEqual(occupancy.amd("navi31", 144, 0, 64, 32, 0), Occupancy(10, 16))
        self.assertEqual(occupancy.amd("navi21", 128, 0, 64, 64, 0), Occupancy(4, 16))
        self.assertEqual(occupancy.amd("navi21", 24, 16 << 10, 64, 64, 0).resident, 2)
        self.assertEqual(occupancy.amd("vega10", 24, 0, 64, 64, 7), Occupancy(7, 10))

    def test_intel(self):
        self.assertEqual(occupancy.intel("dg2", 0, 256, 8), Occupancy(128, 128))
        # 32 KiB of 128: four workgroups of 8 threads.
        self.assertEqual(occupancy.intel("bmg", 30 << 10, 256, 32), Occupancy(32, 64))

    def test_nvidia(self):
        self.assertEqual(occupancy.nvidia("sm_90", 128, 0, 256), Occupancy(16, 64))
        self.assertEqual(occupancy.nvidia("sm_90", 129, 0, 256), Occupancy(8, 64))
        self.assertEqual(occupancy.nvidia("sm_86", 24, 0, 64).resident, 32)  # 16 workgroups at most
        self.assertEqual(occupancy.nvidia("sm_86", 32, 48 << 10, 256).resident, 16)


class Comparing(unittest.TestCase):
    def test_what_is_worse(self):
        self.assertEqual(worse(figures(), figures()), [])
        self.assertEqual(worse(figures(), figures(spills=(3, 4))), ["spills 0/0 -> 3/4"])
        self.assertEqual(worse(figures(), figures(resident=7)), ["resident 8 of 16 subgroups of 32 -> 7 of 16 subgroups of 32"])
        # As many subgroups of half the size.
        self.assertEqual(len(worse(figures(), figures(subgroup=16))), 1)
        self.assertEqual(worse(figures(), CompileError("no")), ["it compiled -> no"])
        self.assertEqual(worse(CompileError("no"), figures(spills=(1, 1))), [])

    def test_variants_of_one_code_are_judged_once(self):
        old = record(row("gemm@a", figures(), ["gemm@b", "gemm@c"]))
        new = record(row("gemm@a", figures(resident=4), ["gemm@b"]), row("gemm@c", figures(resident=2)))
        failures = compare(old, new, Allowed([])).failures
        self.assertEqual(len(failures), 2)
        self.assertIn("navi31: gemm@c: resident 8 of 16 subgroups of 32 -> 2", failures[1])

    def test_new_and_gone(self):
        comparison = compare(record(row("old@a", figures())), record(row("new@a", figures())), Allowed([]))
        self.assertEqual((comparison.new, comparison.gone, comparison.failures), (["new@a"], ["old@a"], []))

    def test_a_spill_needs_a_reason(self):
        spilling = record(row("gemm@a", figures(spills=(1, 2))))
        [failure] = compare(record(), spilling, Allowed([])).failures
        self.assertIn("spills 1/2, and allowed.json gives no reason for gemm", failure)
        allowed = Allowed([{"kernel": "gemm", "targets": ["navi31"], "reason": "few registers"}])
        self.assertEqual(compare(record(), spilling, allowed).failures, [])
        self.assertEqual(allowed.idle(record(row("gemm@a", figures()))), ["gemm"])
        with self.assertRaises(ValueError):
            Allowed([{"kernel": "gemm", "targets": ["navi31"], "reason": " "}])

    def test_gains_are_told(self):
        comparison = compare(record(row("a@b", figures(spills=(4, 4)))), record(row("a@b", figures())), Allowed([]))
        self.assertEqual(comparison.better, ["navi31: a@b: spills 4/4 -> 0/0"])

    def test_rows_survive_json(self):
        for result in (figures(spills=(1, 2)), CompileError("refused")):
            before = row("gemm@a", result, ["gemm@b"])
            after = Row.from_json(json.loads(json.dumps(before.to_json())))
            self.assertEqual(after.to_json(), before.to_json())


class Sources(unittest.TestCase):
    def test_bindings_of_sets(self):
        bindings = [{"access": access} for access in ("uniform", "read", "read_write")]
        slots = [{"space": space, "index": index} for space, index in ((0, 0), (0, 2), (1, 0))]
        self.assertEqual(_sets(bindings, slots), "u-s/s")
        self.assertEqual(_sets([], []), "")

    def test_swizzles_vectors_and_literals(self):
        text = _body("metal::float4 v = float4(a.xyz, 1.0); b.xy = c.x; d = 2e-3 + e.w1;\n")
        self.assertEqual(text, "metal::float4 v = metal::float4(a.swizzle<0, 1, 2>(), 1.0f); b.swizzle<0, 1>() = c.x; d = 2e-3f + e.w1;\n")

    def test_an_entry_point(self):
        text = translate(trivial_shader())
        self.assertIn("__launch_bounds__(64) entry(float * __restrict__ out) {", text)
        self.assertIn("main_((metal::uint3(blockIdx.x, blockIdx.y, blockIdx.z) * metal::uint3(64u, 1u, 1u)", text)
        self.assertIn("entry(float * out)", translate(trivial_shader(), aliasing=True))
        with self.assertRaises(CompileError):
            translate(Shader("k", "k", (64, 1, 1), 0, msl="kernel void other(\n)\n{", msl_entry="main_"))

    def test_layers_name_kernels_that_exist(self):
        not_compiled = json.loads(LAYERS.read_text())["not_compiled"]
        self.assertEqual(uncovered(catalog() - set(not_compiled), not_compiled), [])
        self.assertEqual(len(uncovered(catalog(), {"no_such_kernel": "-"})), 1)


class Recorded(unittest.TestCase):
    def test_every_target_has_a_record_of_the_same_kernels(self):
        records = table.recorded()
        self.assertEqual([each.target for each in records], RECORDED)
        for each in records:
            self.assertEqual(list(each.by_label()), list(records[0].by_label()), each.target)

    def test_every_recorded_spill_has_a_reason(self):
        for each in table.recorded():
            self.assertEqual(compare(each, each, Allowed.read()).failures, [])

    def test_the_page_has_the_table_of_the_records(self):
        self.assertIn(table.markdown(table.recorded(), Allowed.read()), table.PAGE.read_text())


if __name__ == "__main__":
    unittest.main()

"""Reading disassemblies: `python3 -m unittest discover -t tools -s tools/gpu_static`."""

import textwrap
import unittest

from .assembly import SYNTAXES, hottest, loops, read


def listing(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


ACO = (
    "BB0:\n"
    "\tv_mov_b32_e32 v1, 0                                         ; 7e020280\n"
    "BB1:\n"
    "\ts_cbranch_scc1 BB4                                          ; bfa20309\n"
    "BB2:\n"
    "\tv_fmac_f32_e32 v1, v2, v3                                   ; 56020702\n"
    "\tv_dual_fmac_f32 v1, v2, v3 :: v_dual_mul_f32 v4, v5, v6     ; ca601f03 03101881\n"
    "\ts_cbranch_execz BB3                                         ; bfa50001\n"
    "\tv_add_f32_e32 v7, v8, v9                                    ; 060e1308\n"
    "BB3:\n"
    "\ts_branch BB1                                                ; bfa0fcf4\n"
    "BB4:\n"
    "\tv_fma_f32 v1, v2, v3, v4                                    ; d6130001\n"
    "\ts_endpgm                                                    ; bfb00000\n"
)


class Aco(unittest.TestCase):
    def test_a_loop_with_a_branch_in_it(self):
        [loop] = loops(ACO, "aco")
        # The conditional exit, three arithmetic instructions of which one is dual, the branches.
        self.assertEqual((loop.instructions, loop.multiply_adds), (7, 2))
        self.assertEqual(loop.mix["v_dual_fmac_f32"], 1)

    def test_what_is_behind_the_loop_is_not_in_it(self):
        instructions, labels = read(ACO, SYNTAXES["aco"])
        self.assertEqual(labels, {"BB0": 0, "BB1": 1, "BB2": 2, "BB3": 7, "BB4": 8})
        self.assertFalse(instructions[7].falls_through)
        self.assertFalse(instructions[-1].falls_through)

    def test_what_multiplies_and_adds(self):
        pattern = SYNTAXES["aco"].multiply_add
        for text in ("v_fma_f32 v1", "v_fmac_f32_e32 v1", "v_fmaak_f32 v1", "v_dual_fmamk_f32 v1", "v_pk_fma_f16 v1",
                     "v_fma_mix_f32 v1", "v_mad_f32 v1", "v_wmma_f32_16x16x16_f16 v[0:7]"):
            self.assertTrue(pattern.match(text), text)
        for text in ("v_mad_u32_u24 v1", "v_mul_f32_e32 v1", "v_add_f32 v1", "v_mad_u64_u32 v[0:1]"):
            self.assertFalse(pattern.match(text), text)


class Anv(unittest.TestCase):
    TEXT = listing("""
        Push constant ranges:
        mov(8)          g49<1>UD        g0.1<0,1,0>UD                   { align1 WE_all 1Q };
        LABEL2:
        cmp.ge.f0.0(8)  null<1>UD       g7<8,8,1>UD     g8<8,8,1>UD     { align1 1Q I@1 };
        (+f0.0) break(8) JIP:  LABEL1         UIP:  LABEL1              { align1 1Q };
        (-f0.0) if(8)   JIP:  LABEL0          UIP:  LABEL0              { align1 1Q };
        mad(8)          g49<1>F         g39<8,8,1>F     g41<8,8,1>F     { align1 1Q F@1 };
        mad(8)          g50<1>D         g39<8,8,1>D     g41<8,8,1>D     { align1 1Q };
        sync nop(1)                     null<0,1,0>UB                   { align1 WE_all 1N I@4 };
        send(1)         g3UD            g75UD           nullUD          0x0210c500                0x00000000
                                    ugm MsgDesc: ( load, a32, d32, V8, transpose ) { align1 WE_all 1N $0 };
        LABEL0:
        endif(8)        JIP:  LABEL1                                    { align1 1Q };
        LABEL1:
        while(8)        JIP:  LABEL2                                    { align1 1Q };
        send(1)         g3UD            g75UD           nullUD          { align1 WE_all 1N $0 };
    """)

    def test_the_loop_is_from_its_label_to_while(self):
        [loop] = loops(self.TEXT, "anv")
        self.assertEqual((loop.instructions, loop.multiply_adds), (9, 1))

    def test_messages_of_a_send_are_no_instructions(self):
        instructions, _ = read(self.TEXT, SYNTAXES["anv"])
        self.assertEqual([each.mnemonic for each in instructions].count("send"), 2)
        self.assertEqual(len(instructions), 11)


class Nak(unittest.TestCase):
    TEXT = listing("""
        block.u 0 L2 [] -> {
              ur0       = s2r sr[0x25]                                            // delay=1 wr:0
        @!p6              bra pT L10                                              // delay=1
        } -> [1, 2]
        block 1 L4 [0, 1] -> {
              r1        = ffma.ftz r2 r3 r1                                       // delay=1
        @p1   r10..12   = imad64 ur8 ur9 rZ                                       // delay=1
                          bra !up0 L4                                             // delay=1 wt=000111
        } -> [1, 2]
        block 2 L10 [0, 1] -> {
                          exit                                                    // delay=1
        }
    """)

    def test_a_uniform_predicate_makes_a_branch_conditional(self):
        instructions, labels = read(self.TEXT, SYNTAXES["nak"])
        self.assertEqual([each.mnemonic for each in instructions], ["s2r", "bra", "ffma.ftz", "imad64", "bra", "exit"])
        self.assertEqual([each.falls_through for each in instructions], [True, True, True, True, True, False])
        self.assertEqual(labels["L10"], 5)

    def test_the_loop(self):
        [loop] = loops(self.TEXT, "nak")
        self.assertEqual((loop.instructions, loop.multiply_adds), (3, 1))


class Sass(unittest.TestCase):
    TEXT = listing("""
        .text.entry:
                /*0000*/                   LDC R1, c[0x0][0x28] ;
        .L_x_1:
                /*0010*/                   HFMA2.MMA R4, -RZ, RZ, 0, 0 ;
        .L_x_0:
                /*0020*/                   FFMA.FTZ R1, R2, R3, R1 ;
                /*0030*/                   FFMA.FTZ R5, R2, R3, R5 ;
                /*0040*/               @P0 BRA `(.L_x_0) ;
                /*0050*/                   BRA.U UP0, `(.L_x_1) ;
                /*0060*/               @P1 EXIT ;
                /*0070*/                   EXIT ;
        .L_x_2:
                /*0080*/                   BRA `(.L_x_2);
    """)

    def test_nested_loops_and_the_hottest(self):
        found = loops(self.TEXT, "sass")
        self.assertEqual([(loop.instructions, loop.multiply_adds) for loop in found], [(3, 2), (5, 2)])
        self.assertIs(hottest(found), found[0])

    def test_a_moved_constant_is_no_multiply_add(self):
        self.assertFalse(SYNTAXES["sass"].multiply_add.match("HFMA2.MMA R4, -RZ, RZ, 0, 0"))
        self.assertTrue(SYNTAXES["sass"].multiply_add.match("HFMA2 R4, R5, R6, R7"))

    def test_no_loop_has_any(self):
        self.assertEqual(loops("        /*0000*/                   EXIT ;\n", "sass"), [])
        self.assertIsNone(hottest([]))


if __name__ == "__main__":
    unittest.main()

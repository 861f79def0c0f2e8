"""Loops of a disassembly, and how much of each is multiply-adds."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Syntax:
    """How a disassembler writes. Every pattern is matched at the start of its text."""

    label: re.Pattern  # a line; group 1 is the label's name
    instruction: re.Pattern  # a line; group "predicate" may be missing, group "text" is the rest
    jump: re.Pattern  # an instruction's text; group "to" is a label, group "if" whatever makes it conditional
    end: re.Pattern  # an instruction that control never passes, unless it has a predicate or its jump is conditional
    multiply_add: re.Pattern
    separator: str = "\n"  # between two instructions of one line


@dataclass(frozen=True)
class Instruction:
    text: str
    jumps_to: str | None
    falls_through: bool

    @property
    def mnemonic(self) -> str:
        return re.match(r"[\w.]*", self.text)[0]


@dataclass(frozen=True)
class Loop:
    instructions: int
    multiply_adds: int
    mix: dict[str, int]  # how often each mnemonic occurs, the most frequent first

    @property
    def share(self) -> float:
        return self.multiply_adds / self.instructions


SYNTAXES = {
    # ACO, disassembled by LLVM: "BB5:", "<tab>v_fmac_f32_e32 v1, v2, v3    ; 56020702"
    "aco": Syntax(
        label=re.compile(r"(BB\d+):"),
        instruction=re.compile(r"\t(?P<text>[^;]+)"),
        jump=re.compile(r"s_(?P<if>c?)branch\w*\s+(?P<to>BB\d+)"),
        end=re.compile(r"s_branch\b|s_endpgm|s_setpc"),
        multiply_add=re.compile(r"v_(dual_|pk_)?(fma|mad|mac)\w*_f(16|32|64)|v_s?wmma|v_mfma"),
        separator=" :: ",  # a dual issue is two instructions
    ),
    # ANV: "LABEL9:", "(+f0.0) break(8) JIP:  LABEL4 ...". Control flow is structured: only "while" goes back, and every
    # instruction may be followed by the next one, for some lanes at least.
    "anv": Syntax(
        label=re.compile(r"(LABEL\d+):"),
        instruction=re.compile(r"(?P<predicate>\([-+][^)]*\)\s*)?(?P<text>[a-z][\w.]*( [a-z]+)?\(\d+\).*)"),
        jump=re.compile(r"(?P<if>while)\(\d+\)\s+JIP:\s*(?P<to>LABEL\d+)"),
        end=re.compile(r"(?!)"),
        multiply_add=re.compile(r"madm?\b[^(]*\(\d+\)\s+\S*>(F|HF|DF)\b|dpas"),
    ),
    # NAK: "block 8 L11 [6, 7] -> {", "@!p0   bra pT L14  // delay=1", "r1 = ffma r2 r3 r4 // ..."
    "nak": Syntax(
        label=re.compile(r"block\S* \d+ (L\d+) "),
        instruction=re.compile(r"\s*(?P<predicate>@!?\w+)?\s+([\w., ]+=\s+)?(?P<text>[a-z][^/]*)"),
        jump=re.compile(r"bra\b\s*(?P<if>!?u?p\d+)?[^L]*(?P<to>L\d+)"),
        end=re.compile(r"(bra|exit)\b"),
        multiply_add=re.compile(r"[fd]fma\b|hfma2\b|[hi]mma\b"),
    ),
    # nvdisasm: ".L_x_8:", "/*1f70*/   @P0 BRA `(.L_x_5) ;"
    "sass": Syntax(
        label=re.compile(r"(\.L_x_\d+):"),
        instruction=re.compile(r"\s+/\*[0-9a-f]{4,}\*/\s+(?P<predicate>@!?U?P\w+\s+)?(?P<text>[^;]+)"),
        jump=re.compile(r"BRA\b(\.\w+)*\s*(?P<if>!?U?P\d\s*,|UR\d+\s*,)?[^`]*`\((?P<to>\.L_x_\d+)\)"),
        end=re.compile(r"(BRA|BRX|EXIT|RET)\b"),
        # "HFMA2 R1, -RZ, RZ, 1, 0" moves a constant.
        multiply_add=re.compile(r"[FD]FMA\b|HFMA2(?!\S* \w+, -RZ, RZ)|[HIQ]G?MMA\b"),
    ),
}


def read(listing: str, syntax: Syntax) -> tuple[list[Instruction], dict[str, int]]:
    """The instructions in order, and the index that each label stands before."""
    instructions: list[Instruction] = []
    labels: dict[str, int] = {}
    for line in listing.splitlines():
        if label := syntax.label.match(line):
            labels[label[1]] = len(instructions)
            continue
        found = syntax.instruction.match(line)
        if not found:
            continue
        fields = found.groupdict()
        for text in fields["text"].strip().split(syntax.separator):
            jump = syntax.jump.match(text)
            conditional = bool(fields.get("predicate")) or bool(jump and jump["if"])
            falls_through = conditional or not syntax.end.match(text)
            instructions.append(Instruction(text.strip(), jump and jump["to"], falls_through))
    return instructions, labels


def loops(listing: str, name: str) -> list[Loop]:
    """Loops with multiply-adds, the smallest first. What an inner loop does is counted once in its outer one."""
    syntax = SYNTAXES[name]
    instructions, labels = read(listing, syntax)
    is_multiply_add = [bool(syntax.multiply_add.match(each.text)) for each in instructions]
    found = []
    for body in bodies(instructions, labels):
        multiply_adds = sum(is_multiply_add[i] for i in body)
        if multiply_adds:
            mix = Counter(instructions[i].mnemonic for i in body)
            found.append(Loop(len(body), multiply_adds, dict(mix.most_common())))
    return sorted(found, key=lambda loop: loop.instructions)


def bodies(instructions: list[Instruction], labels: dict[str, int]) -> list[set[int]]:
    """The natural loop of every header: the header and all that reaches a jump back to it without passing it."""
    predecessors: list[list[int]] = [[i - 1] if i and instructions[i - 1].falls_through else [] for i in range(len(instructions))]
    jumps_back: dict[int, list[int]] = {}
    for i, instruction in enumerate(instructions):
        to = labels.get(instruction.jumps_to, len(instructions))
        if to < len(instructions):
            predecessors[to].append(i)
            if to <= i:
                jumps_back.setdefault(to, []).append(i)
    found = []
    for header, pending in jumps_back.items():
        body = {header}
        while pending:
            i = pending.pop()
            if i not in body:
                body.add(i)
                pending.extend(predecessors[i])
        found.append(body)
    return found


def hottest(found: list[Loop]) -> Loop | None:
    """The innermost loop that matters: the smallest with 90% of the multiply-adds of the loop that has most."""
    most = max((loop.multiply_adds for loop in found), default=0)
    return next((loop for loop in found if 10 * loop.multiply_adds >= 9 * most), None)

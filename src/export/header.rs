//! An export as a C header: the parameter structures, constants, and tables of shaders and steps.

use std::fmt::Write as _;

use super::manifest::{Block, Field, Manifest, PACKED, Step, UNUSED, WORKSPACE};
use super::{Language, MANIFEST};
use crate::error::{Error, Result};

/// What every header declares, once for all that a program includes.
const TYPES: &str = "\
#ifndef WGCONV_EXPORT_1
#define WGCONV_EXPORT_1

/* Places in the tables of a shader. */
enum { WGCONV_WGSL, WGCONV_SPIRV, WGCONV_MSL, WGCONV_HLSL, WGCONV_GLSL, WGCONV_GLSL_ES, WGCONV_LANGUAGES };

/* Something to bind: a tensor, the workspace, the packed weights, or the dummy. */
typedef struct wgconv_memory {
    const char *name;
    uint64_t bytes;
} wgconv_memory;

/* A shader; languages that it was not written in have no path. */
typedef struct wgconv_shader {
    const char *name;
    uint32_t workgroup_size[3];
    uint32_t workgroup_bytes;
    uint32_t n_bindings; /* storage buffers: binding 1 and on */
    const char *paths[WGCONV_LANGUAGES];
    const char *entry_points[WGCONV_LANGUAGES];
} wgconv_shader;

/* Bytes of a memory. */
typedef struct wgconv_range {
    uint32_t memory;
    uint64_t offset;
    uint64_t bytes;
} wgconv_range;

/* A dispatch: parameters at binding 0, ranges at binding 1 and on. */
typedef struct wgconv_step {
    uint32_t shader;
    uint32_t workgroups[3];
    uint32_t parameter_bytes;
    const void *parameters;
    const wgconv_range *ranges;
} wgconv_step;

#endif
";

/// The header; its name is what everything in it begins with.
pub(super) fn header(name: &str, manifest: &Manifest) -> Result<String> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !starts_well || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        let rule = "it must be a C identifier in small letters";
        return Err(Error::invalid("header", name, rule));
    }
    let writer = Writer { name, upper: name.to_uppercase(), manifest, memories: memories(manifest) };
    writer.text()
}

/// Names and bytes of what is bound: the tensors, then what else there is.
fn memories(manifest: &Manifest) -> Vec<(String, u64)> {
    let tensors = manifest.tensors.iter().map(|tensor| (tensor.name.as_str().to_string(), tensor.bytes));
    let scratch =
        [(WORKSPACE, manifest.workspace_bytes), (PACKED, manifest.packed_bytes), (UNUSED, manifest.unused_bytes)];
    tensors.chain(scratch.map(|(name, bytes)| (name.to_string(), bytes))).collect()
}

struct Writer<'a> {
    name: &'a str,
    upper: String,
    manifest: &'a Manifest,
    memories: Vec<(String, u64)>,
}

/// A member of a parameter structure.
enum Member<'a> {
    Field(&'a Field),
    /// A structure within: its name and its fields, whose names have none in front.
    Nested(&'a str, Vec<(&'a str, &'a Field)>),
}

impl Member<'_> {
    fn offset(&self) -> u32 {
        match self {
            Member::Field(field) => field.offset,
            Member::Nested(_, fields) => fields.first().map_or(0, |(_, field)| field.offset),
        }
    }

    fn bytes(&self) -> u32 {
        match self {
            Member::Field(field) => WORD * field.count,
            Member::Nested(_, fields) => fields.iter().map(|(_, field)| WORD * field.count).sum(),
        }
    }

    fn name(&self) -> &str {
        match self {
            Member::Field(field) => &field.name,
            Member::Nested(name, _) => name,
        }
    }
}

/// Bytes of a scalar.
const WORD: u32 = 4;

impl Writer<'_> {
    fn text(&self) -> Result<String> {
        let Writer { name, upper, manifest, .. } = self;
        let mut text = String::new();
        // A string takes whatever is written.
        let out = &mut text;
        let _ = writeln!(
            out,
            "/* {} by {}: {MANIFEST} as a C11 header. {} */\n#ifndef {upper}_H\n#define {upper}_H\n\n\
             #include <math.h>\n\
             #include <stddef.h>\n#include <stdint.h>\n\n{TYPES}",
            manifest.operation, manifest.algorithm, manifest.generator
        );
        for block in &manifest.blocks {
            self.structure(out, block)?;
        }
        self.constants(out);
        self.shaders(out);
        self.steps(out, "packing", &manifest.packing)?;
        self.steps(out, "step", &manifest.steps)?;
        let _ = writeln!(out, "#endif /* {upper}_H */");
        debug_assert!(text.contains(name));
        Ok(text)
    }

    /// The definition of a parameter block, once for all headers.
    fn structure(&self, out: &mut String, block: &Block) -> Result<()> {
        let type_name = type_name(block);
        let guard = format!("{}_DEFINED", type_name.to_uppercase());
        let members = members(block);
        if let Some(Member::Nested(_, fields)) = members.iter().find(|member| matches!(member, Member::Nested(..))) {
            let _ = writeln!(out, "#ifndef WGCONV_VIEW_DEFINED\n#define WGCONV_VIEW_DEFINED");
            let _ = writeln!(out, "/* Where a tensor's elements lie in its binding: the first one, and strides. */");
            let _ = writeln!(out, "typedef struct wgconv_view {{");
            for (name, field) in fields {
                let _ = writeln!(out, "    {};", declaration(field, name)?);
            }
            let _ = writeln!(out, "}} wgconv_view;\n#endif\n");
        }
        let _ = writeln!(out, "#ifndef {guard}\n#define {guard}\ntypedef struct {type_name} {{");
        let mut end = 0;
        for member in &members {
            self.gap(out, end, member.offset());
            match member {
                Member::Field(field) => {
                    let _ = writeln!(out, "    {};", declaration(field, &field.name)?);
                }
                Member::Nested(name, _) => {
                    let _ = writeln!(out, "    wgconv_view {name};");
                }
            }
            end = member.offset() + member.bytes();
        }
        self.gap(out, end, block.bytes);
        let _ = writeln!(out, "}} {type_name};");
        for member in &members {
            let (name, offset) = (member.name(), member.offset());
            let _ = writeln!(out, "_Static_assert(offsetof({type_name}, {name}) == {offset}, \"{name}\");");
        }
        let _ = writeln!(out, "_Static_assert(sizeof({type_name}) == {}, \"size\");\n#endif\n", block.bytes);
        Ok(())
    }

    fn gap(&self, out: &mut String, from: u32, to: u32) {
        if to > from {
            let _ = writeln!(out, "    uint32_t gap_at_{from}[{}];", (to - from) / WORD);
        }
    }

    fn constants(&self, out: &mut String) {
        let Writer { name, upper, manifest, memories } = self;
        let requirements = &manifest.requirements;
        for (constant, value) in [
            ("WORKSPACE_BYTES", manifest.workspace_bytes),
            ("PACKED_BYTES", manifest.packed_bytes),
            ("UNUSED_BYTES", manifest.unused_bytes),
        ] {
            let _ = writeln!(out, "#define {upper}_{constant} UINT64_C({value})");
        }
        for (constant, value) in [
            ("STORAGE_ALIGNMENT", requirements.storage_alignment as usize),
            ("SUBGROUP_SIZE", requirements.subgroup_size.unwrap_or(0) as usize),
            ("SHADERS", manifest.shaders.len()),
            ("PACKING_STEPS", manifest.packing.len()),
            ("STEPS", manifest.steps.len()),
        ] {
            let _ = writeln!(out, "#define {upper}_{constant} {value}");
        }
        let _ = writeln!(out, "\n/* Memories: numbers, and what each is. */\nenum {{");
        for (memory, _) in memories {
            let _ = writeln!(out, "    {upper}_MEMORY_{},", memory.to_uppercase());
        }
        let _ = writeln!(out, "    {upper}_MEMORIES\n}};\n");
        let _ = writeln!(out, "static const wgconv_memory {name}_memories[{upper}_MEMORIES] = {{");
        for (memory, bytes) in memories {
            let _ = writeln!(out, "    {{\"{memory}\", UINT64_C({bytes})}},");
        }
        let _ = writeln!(out, "}};\n");
    }

    fn shaders(&self, out: &mut String) {
        let Writer { name, upper, manifest, .. } = self;
        let _ = writeln!(out, "static const wgconv_shader {name}_shaders[{upper}_SHADERS] = {{");
        for shader in &manifest.shaders {
            let [x, y, z] = shader.workgroup_size;
            let column = |of: &dyn Fn(&super::File) -> String| {
                let cells = Language::ALL.map(|language| {
                    shader.files.get(&language).map_or("NULL".to_string(), |file| format!("\"{}\"", of(file)))
                });
                cells.join(", ")
            };
            let _ = writeln!(
                out,
                "    {{\"{}\", {{{x}, {y}, {z}}}, {}, {},\n     {{{}}},\n     {{{}}}}},",
                shader.name,
                shader.workgroup_bytes,
                shader.bindings.len() - 1,
                column(&|file| file.path.clone()),
                column(&|file| file.entry_point.clone()),
            );
        }
        let _ = writeln!(out, "}};\n");
    }

    /// The table of steps, with their parameters and ranges in front of it.
    fn steps(&self, out: &mut String, kind: &str, steps: &[Step]) -> Result<()> {
        let Writer { name, manifest, memories, .. } = self;
        if steps.is_empty() {
            return Ok(());
        }
        for (number, step) in steps.iter().enumerate() {
            let shader = &manifest.shaders[step.shader];
            let block = manifest.blocks.iter().find(|block| block.name == shader.block);
            let block = block.ok_or_else(|| Error::invalid("block", &shader.block, "it must be among `blocks`"))?;
            let bytes = step.parameter_bytes()?;
            let _ = writeln!(out, "static const {} {name}_{kind}_{number}_parameters = {{", type_name(block));
            for member in members(block) {
                match &member {
                    Member::Field(field) => {
                        let _ = writeln!(out, "    .{} = {},", field.name, value(field, &bytes)?);
                    }
                    Member::Nested(nested, fields) => {
                        let values =
                            fields.iter().map(|(_, field)| value(field, &bytes)).collect::<Result<Vec<_>>>()?;
                        let _ = writeln!(out, "    .{nested} = {{{}}},", values.join(", "));
                    }
                }
            }
            let _ = writeln!(out, "}};\nstatic const wgconv_range {name}_{kind}_{number}_ranges[] = {{");
            for range in &step.bindings {
                let memory = memories.iter().position(|(memory, _)| *memory == range.memory);
                let memory = memory.ok_or_else(|| Error::invalid("memory", &range.memory, "it must be a tensor"))?;
                let _ = writeln!(out, "    {{{memory}, UINT64_C({}), UINT64_C({})}},", range.offset, range.bytes);
            }
            let _ = writeln!(out, "}};");
        }
        let table = if kind == "step" { "steps" } else { kind };
        let _ = writeln!(out, "\nstatic const wgconv_step {name}_{table}[] = {{");
        for (number, step) in steps.iter().enumerate() {
            let [x, y, z] = step.workgroups;
            let parameters = format!("{name}_{kind}_{number}_parameters");
            let _ = writeln!(
                out,
                "    {{{}, {{{x}, {y}, {z}}}, sizeof {parameters}, &{parameters}, {name}_{kind}_{number}_ranges}},",
                step.shader
            );
        }
        let _ = writeln!(out, "}};\n");
        Ok(())
    }
}

/// `WindowParams` becomes `wgconv_window_params`.
fn type_name(block: &Block) -> String {
    let mut name = "wgconv".to_string();
    for letter in block.name.chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Fields in a row whose names begin with that of one structure are its members.
fn members(block: &Block) -> Vec<Member<'_>> {
    let mut members: Vec<Member<'_>> = Vec::new();
    for field in &block.fields {
        match (field.name.split_once('.'), members.last_mut()) {
            (None, _) => members.push(Member::Field(field)),
            (Some((outer, inner)), Some(Member::Nested(name, fields))) if *name == outer => fields.push((inner, field)),
            (Some((outer, inner)), _) => members.push(Member::Nested(outer, vec![(inner, field)])),
        }
    }
    members
}

fn declaration(field: &Field, name: &str) -> Result<String> {
    let element = match field.element.as_str() {
        "u32" => "uint32_t",
        "i32" => "int32_t",
        "f32" => "float",
        other => return Err(Error::invalid(&field.name, other, "it must be u32, i32 or f32")),
    };
    Ok(match field.count {
        1 => format!("{element} {name}"),
        count => format!("{element} {name}[{count}]"),
    })
}

/// The field's contents as a C initialiser.
fn value(field: &Field, bytes: &[u8]) -> Result<String> {
    let short = || Error::invalid("parameters", bytes.len(), format!("{} lies beyond their end", field.name));
    let mut values = Vec::new();
    for i in 0..field.count {
        let at = (field.offset + i * WORD) as usize;
        let word = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied().ok_or_else(short)?;
        values.push(match field.element.as_str() {
            "f32" => float(f32::from_le_bytes(word)),
            "i32" => i32::from_le_bytes(word).to_string(),
            _ => format!("{}u", u32::from_le_bytes(word)),
        });
    }
    Ok(if field.count == 1 { values.concat() } else { format!("{{{}}}", values.join(", ")) })
}

/// A literal of the same bits; NaNs are all alike.
fn float(value: f32) -> String {
    match value {
        value if value.is_nan() => "NAN".into(),
        f32::INFINITY => "INFINITY".into(),
        f32::NEG_INFINITY => "-INFINITY".into(),
        value => format!("{value:e}f"),
    }
}

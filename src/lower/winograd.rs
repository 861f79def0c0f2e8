//! Lowering of Winograd convolutions: filters and patches are transformed, one matrix product per point of a tile
//! multiplies them, and what it yields is transformed back.

use crate::capabilities::KernelClass;
use crate::kernels::task::{ConvTask, GemmTask, Sink, Slot};
use crate::kernels::winograd::{applies, tiles};
use crate::kernels::{conv2d_winograd, winograd_input, winograd_output, winograd_weight};
use crate::lower::{Applies, Lowering};
use crate::program::View;

impl Lowering<'_> {
    /// F(2x2) in one pass: neither patches nor products are stored.
    pub(crate) fn winograd_in_one_pass(&mut self, task: &ConvTask) -> Applies {
        const TILE: u32 = 2;
        const POINTS: usize = 16;
        let w = &task.window;
        applies(w)?;
        if self.caps.class == KernelClass::Cpu {
            return Err("it is for GPUs: on a CPU adapter patches are stored".into());
        }
        if self.caps.max_invocations_per_workgroup < conv2d_winograd::INVOCATIONS {
            return Err(format!("it needs workgroups of {} invocations", conv2d_winograd::INVOCATIONS));
        }
        // Rows of whole vec4s.
        let (c_in, pitch) = (w.c_in_per_group(), w.c_out_per_group().next_multiple_of(4));
        let filters = self.reserve_packed(&[w.groups, POINTS, c_in, pitch])?;
        let (n, w) = ((c_in * pitch) as u32, pitch as u32);
        let view = View { n, d: POINTS as u32 * n, c: 1, w, ..View::default() };
        self.push_packing(winograd_weight::dispatch(task, TILE, Slot { view, ..filters }));
        self.push(conv2d_winograd::dispatch(task, filters.operand));
        Ok(())
    }

    /// By tiles of `tile` x `tile` outputs.
    pub(crate) fn winograd(&mut self, task: &ConvTask, tile: u32) -> Applies {
        let w = &task.window;
        applies(w)?;
        let points = (tile as usize + 2).pow(2);
        let (c_in, c_out) = (w.c_in_per_group(), w.c_out_per_group());
        let n_tiles = tiles(w, tile);
        let pitch = n_tiles.next_multiple_of(4);
        // What belongs to a channel lies together: the stores of a transform would meet in few sets of a cache if points lay
        // whole matrices apart.
        let rows = c_out.next_multiple_of(4);
        let filters = self.reserve_packed(&[w.c_in, points, rows])?;
        let patches = self.reserve(&[w.c_in, points, pitch])?;
        let products = self.reserve(&[w.c_out, points, pitch])?;
        let by_channel = |slot: Slot, row: usize| {
            let (n, c) = (row as u32, (points * row) as u32);
            Slot { view: View { n, d: c_out as u32 * c, c, w: 1, ..View::default() }, ..slot }
        };
        // Lanes load four output channels of a filter at once.
        let (n, column) = (rows as u32, (points * rows) as u32);
        let view = View { n, d: c_in as u32 * column, c: 1, w: column, ..View::default() };
        let filters = Slot { view, ..filters };
        let (patches, products) = (by_channel(patches, pitch), by_channel(products, pitch));
        self.push_packing(winograd_weight::dispatch(task, tile, filters));
        self.push(winograd_input::dispatch(task, tile, self.caps.class, patches));
        self.gemm(&GemmTask {
            batch: points,
            groups: w.groups,
            m: c_out,
            n: n_tiles,
            k: c_in,
            a: filters,
            a_strides: [rows, c_in * points * rows, 1, points * rows],
            b: patches,
            b_strides: [pitch, c_in * points * pitch, points * pitch, 1],
            output_size: [1, 1, n_tiles],
            split_k: None,
            sink: Sink::plain(products, 0.0),
        });
        self.push(winograd_output::dispatch(task, tile, self.caps.class, products));
        Ok(())
    }
}

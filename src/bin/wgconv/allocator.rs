//! What happens where there is no memory: a sentence and an exit code, where the standard library would abort the program.
//! Large requests that foresee it get an answer instead (`wgconv::memory`).

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use wgconv::memory;

use crate::failure::Code;

struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// SAFETY: the system's allocator does everything; a request that it cannot serve ends the program or is handed on as it is.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        answered(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        answered(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's.
        answered(unsafe { System.realloc(pointer, layout, size) }, size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn answered(pointer: *mut u8, bytes: usize) -> *mut u8 {
    if pointer.is_null() && !memory::is_trying() {
        out_of_memory(bytes);
    }
    pointer
}

#[cold]
fn out_of_memory(bytes: usize) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    // The first thread to get here ends all of them.
    while ENDING.swap(true, Ordering::SeqCst) {
        std::thread::park();
    }
    // Neither of these allocates.
    let _ = writeln!(std::io::stderr(), "wgconv: out of memory: {bytes} bytes more could not be had");
    end(Code::Device as i32)
}

/// Without what is registered to run at the end, which may want memory.
#[cfg(unix)]
fn end(code: i32) -> ! {
    unsafe extern "C" {
        fn _exit(code: i32) -> !;
    }
    // SAFETY: it takes any code, and returns to nobody.
    unsafe { _exit(code) }
}

#[cfg(not(unix))]
fn end(code: i32) -> ! {
    std::process::exit(code)
}

"""What GPU compilers make of compute shaders, on a machine without a GPU: see docs/gpu-compilers.md."""

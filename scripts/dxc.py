#!/usr/bin/env python3
"""Compiles a HLSL file through libdxcompiler, as `dxc` does where it is installed.

usage: dxc.py LIBRARY ARGUMENTS... FILE.hlsl

Arguments go to the compiler as they are. Prints what it complains of; the exit status is 1 when it refuses the file.
Speaks to the interfaces of DXC 1.7 and 1.8 on Linux, whose vtables have two destructors behind IUnknown's methods.
"""

import ctypes
import sys
import uuid

UTF8 = 65001
# Places in vtables.
RELEASE = 2
FIRST_METHOD = 5
COMPILE = FIRST_METHOD
GET_STATUS = FIRST_METHOD
GET_ERROR_BUFFER = FIRST_METHOD + 2
GET_BUFFER_POINTER = FIRST_METHOD
GET_BUFFER_SIZE = FIRST_METHOD + 1


class Buffer(ctypes.Structure):
    """DxcBuffer"""

    _fields_ = [("pointer", ctypes.c_char_p), ("size", ctypes.c_size_t), ("encoding", ctypes.c_uint32)]


def guid(text):
    return (ctypes.c_ubyte * 16)(*uuid.UUID(text).bytes_le)


def call(interface, place, result, *arguments):
    """Calls the method at a place of an interface's vtable."""
    vtable = ctypes.cast(interface, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]
    kinds = [type(argument) if isinstance(argument, ctypes._SimpleCData) else ctypes.c_void_p for argument in arguments]
    function = ctypes.CFUNCTYPE(result, ctypes.c_void_p, *kinds)(vtable[place])
    return function(interface, *arguments)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    library, *arguments, path = sys.argv[1:]
    create = ctypes.CDLL(library).DxcCreateInstance
    compiler = ctypes.c_void_p()
    status = create(
        guid("73e22d93-e6ce-47f3-b5bf-f0664f39c1b0"),
        guid("228b4687-5a6a-4730-900c-9702b2203f54"),
        ctypes.byref(compiler),
    )
    if status != 0 or not compiler:
        sys.exit(f"{library} offers no compiler: {status & 0xFFFFFFFF:#x}")
    with open(path, "rb") as file:
        source = file.read()
    buffer = Buffer(source, len(source), UTF8)
    words = (ctypes.c_wchar_p * len(arguments))(*arguments)
    kind = guid("58346cda-dde7-4497-9461-6f87af5e0659")
    result = ctypes.c_void_p()
    status = call(
        compiler, COMPILE, ctypes.c_int32, ctypes.addressof(buffer), ctypes.addressof(words),
        ctypes.c_uint32(len(arguments)), None, ctypes.addressof(kind), ctypes.addressof(result),
    )
    if status != 0 or not result:
        sys.exit(f"{path}: the compiler failed: {status & 0xFFFFFFFF:#x}")
    errors = ctypes.c_void_p()
    call(result, GET_ERROR_BUFFER, ctypes.c_int32, ctypes.addressof(errors))
    if errors:
        pointer = call(errors, GET_BUFFER_POINTER, ctypes.c_void_p)
        size = call(errors, GET_BUFFER_SIZE, ctypes.c_size_t)
        sys.stderr.write(ctypes.string_at(pointer, size).decode(errors="replace").rstrip("\0"))
    verdict = ctypes.c_int32(-1)
    call(result, GET_STATUS, ctypes.c_int32, ctypes.addressof(verdict))
    sys.stderr.flush()
    sys.exit(0 if verdict.value == 0 else 1)


if __name__ == "__main__":
    main()

// Functions of Mesa that its drm-shims are linked to and do not call, or need in their simplest form. A whole libmesa_util
// would bring in the rest of Mesa.
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

int64_t os_time_get_nano(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

const char *util_get_process_name(void) { return "gpu-static"; }

char *os_read_file(const char *path, size_t *size) {
    (void)path;
    if (size) *size = 0;
    return NULL;
}

size_t u_printf_length(const char *format, va_list arguments) {
    int length = vsnprintf(NULL, 0, format, arguments);
    return length < 0 ? 0 : (size_t)length + 1;
}

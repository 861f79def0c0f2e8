// The part of Metal's standard library that naga's MSL uses, in CUDA C++, so that NVRTC compiles it.
//
// msl_to_cuda.py has replaced what C++ cannot express: `v.zyx` is `v.swizzle<2, 1, 0>()`, address spaces are gone, and
// float literals have their suffix. Functions are what a Vulkan driver makes of them: fast exp, log, pow, sin and cos, one
// FFMA for fma. Everything is spelled out for each number of components. Shorter definitions, by loops over components or by
// way of each other, compile to the same arithmetic with other registers, up to 15 more.

namespace metal {

using uchar = unsigned char;
using ushort = unsigned short;
using uint = unsigned int;

// --- half: storage and conversion; arithmetic goes by way of float -----------------------------------------------------

struct half {
    ushort bits;
    half() = default;
    explicit half(float v) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(v)); }
    operator float() const {
        float v;
        asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(bits));
        return v;
    }
};

// --- Vectors -----------------------------------------------------------------------------------------------------------

template <class T, uint N> struct vec;

// A vec3 without padding, as structures in buffers have it.
template <class T> struct packed {
    T x, y, z;
    packed() = default;
    packed(const vec<T, 3> &v) : x(v.x), y(v.y), z(v.z) {}
    T operator[](uint i) const { return (&x)[i]; }
    T &operator[](uint i) { return (&x)[i]; }
    template <uint I, uint J> vec<T, 2> swizzle() const { return {(*this)[I], (*this)[J]}; }
    template <uint I, uint J, uint K> vec<T, 3> swizzle() const { return {(*this)[I], (*this)[J], (*this)[K]}; }
};

#define COMPONENTS_BY_INDEX                                                                                            \
    template <uint I, uint J> vec<T, 2> swizzle() const { return {(*this)[I], (*this)[J]}; }                           \
    template <uint I, uint J, uint K> vec<T, 3> swizzle() const { return {(*this)[I], (*this)[J], (*this)[K]}; }       \
    template <uint I, uint J, uint K, uint L> vec<T, 4> swizzle() const {                                              \
        return {(*this)[I], (*this)[J], (*this)[K], (*this)[L]};                                                       \
    }

template <class T> struct alignas(2 * sizeof(T)) vec<T, 2> {
    T x, y;
    vec() = default;
    vec(T x, T y) : x(x), y(y) {}
    explicit vec(T all) : x(all), y(all) {}
    template <class S> explicit vec(const vec<S, 2> &v) : x(T(v.x)), y(T(v.y)) {}
    T operator[](uint i) const { return i == 0 ? x : y; }
    T &operator[](uint i) { return i == 0 ? x : y; }
    COMPONENTS_BY_INDEX
};

template <class T> struct alignas(4 * sizeof(T)) vec<T, 3> {
    T x, y, z;
    vec() = default;
    vec(T x, T y, T z) : x(x), y(y), z(z) {}
    vec(const vec<T, 2> &xy, T z) : x(xy.x), y(xy.y), z(z) {}
    vec(T x, const vec<T, 2> &yz) : x(x), y(yz.x), z(yz.y) {}
    vec(const packed<T> &v) : x(v.x), y(v.y), z(v.z) {}
    explicit vec(T all) : x(all), y(all), z(all) {}
    template <class S> explicit vec(const vec<S, 3> &v) : x(T(v.x)), y(T(v.y)), z(T(v.z)) {}
    template <class S> explicit vec(const packed<S> &v) : x(T(v.x)), y(T(v.y)), z(T(v.z)) {}
    T operator[](uint i) const { return i == 0 ? x : i == 1 ? y : z; }
    T &operator[](uint i) { return i == 0 ? x : i == 1 ? y : z; }
    COMPONENTS_BY_INDEX
};

template <class T> struct alignas(4 * sizeof(T)) vec<T, 4> {
    T x, y, z, w;
    vec() = default;
    vec(T x, T y, T z, T w) : x(x), y(y), z(z), w(w) {}
    vec(const vec<T, 3> &xyz, T w) : x(xyz.x), y(xyz.y), z(xyz.z), w(w) {}
    vec(T x, const vec<T, 3> &yzw) : x(x), y(yzw.x), z(yzw.y), w(yzw.z) {}
    vec(const vec<T, 2> &xy, const vec<T, 2> &zw) : x(xy.x), y(xy.y), z(zw.x), w(zw.y) {}
    vec(const vec<T, 2> &xy, T z, T w) : x(xy.x), y(xy.y), z(z), w(w) {}
    vec(T x, const vec<T, 2> &yz, T w) : x(x), y(yz.x), z(yz.y), w(w) {}
    vec(T x, T y, const vec<T, 2> &zw) : x(x), y(y), z(zw.x), w(zw.y) {}
    explicit vec(T all) : x(all), y(all), z(all), w(all) {}
    template <class S> explicit vec(const vec<S, 4> &v) : x(T(v.x)), y(T(v.y)), z(T(v.z)), w(T(v.w)) {}
    T operator[](uint i) const { return (&x)[i]; }
    T &operator[](uint i) { return (&x)[i]; }
    COMPONENTS_BY_INDEX
};

#define NAMES(T) using T##2 = vec<T, 2>; using T##3 = vec<T, 3>; using T##4 = vec<T, 4>;
NAMES(float) NAMES(int) NAMES(uint) NAMES(bool) NAMES(half)
using packed_float3 = packed<float>;
using packed_int3 = packed<int>;
using packed_uint3 = packed<uint>;

// ALL2(F, ...) is F(x, ...), F(y, ...): an expression for every component.
#define ALL2(F, ...) F(x, __VA_ARGS__), F(y, __VA_ARGS__)
#define ALL3(F, ...) ALL2(F, __VA_ARGS__), F(z, __VA_ARGS__)
#define ALL4(F, ...) ALL3(F, __VA_ARGS__), F(w, __VA_ARGS__)

#define VEC_VEC(i, op) T(a.i op b.i)
#define VEC_ONE(i, op) T(a.i op b)
#define ONE_VEC(i, op) T(a op b.i)
#define ARITHMETIC_OF(N, op)                                                                                           \
    template <class T> vec<T, N> operator op(vec<T, N> a, vec<T, N> b) { return {ALL##N(VEC_VEC, op)}; }               \
    template <class T, class S> vec<T, N> operator op(vec<T, N> a, S other) { T b = T(other); return {ALL##N(VEC_ONE, op)}; } \
    template <class T> vec<T, N> operator op(T a, vec<T, N> b) { return {ALL##N(ONE_VEC, op)}; }                       \
    template <class T> vec<T, N> &operator op##=(vec<T, N> &a, vec<T, N> b) { return a = a op b; }
#define ARITHMETIC(op)                                                                                                 \
    ARITHMETIC_OF(2, op) ARITHMETIC_OF(3, op) ARITHMETIC_OF(4, op)                                                     \
    template <class T> vec<T, 3> operator op(packed<T> a, packed<T> b) { return vec<T, 3>(a) op vec<T, 3>(b); }        \
    template <class T> vec<T, 3> operator op(packed<T> a, vec<T, 3> b) { return vec<T, 3>(a) op b; }                   \
    template <class T> vec<T, 3> operator op(vec<T, 3> a, packed<T> b) { return a op vec<T, 3>(b); }
ARITHMETIC(+) ARITHMETIC(-) ARITHMETIC(*) ARITHMETIC(/) ARITHMETIC(%) ARITHMETIC(&) ARITHMETIC(|) ARITHMETIC(^)
ARITHMETIC(<<) ARITHMETIC(>>)

// An int is shifted by a uint.
#define VEC_SHIFT(i, op) a.i op b.i
#define SHIFT_OF(N, op) inline int##N operator op(int##N a, uint##N b) { return {ALL##N(VEC_SHIFT, op)}; }
SHIFT_OF(2, <<) SHIFT_OF(3, <<) SHIFT_OF(4, <<) SHIFT_OF(2, >>) SHIFT_OF(3, >>) SHIFT_OF(4, >>)

#define COMPARE(i, op) a.i op b.i
#define COMPARISON_OF(N, op)                                                                                           \
    template <class T> bool##N operator op(vec<T, N> a, vec<T, N> b) { return {ALL##N(COMPARE, op)}; }                 \
    template <class T> bool##N operator op(vec<T, N> a, T b) { return a op vec<T, N>(b); }
#define COMPARISON(op)                                                                                                 \
    COMPARISON_OF(2, op) COMPARISON_OF(3, op) COMPARISON_OF(4, op)                                                     \
    template <class T> bool3 operator op(packed<T> a, vec<T, 3> b) { return vec<T, 3>(a) op b; }                       \
    template <class T> bool3 operator op(vec<T, 3> a, packed<T> b) { return a op vec<T, 3>(b); }
COMPARISON(==) COMPARISON(!=) COMPARISON(<) COMPARISON(>) COMPARISON(<=) COMPARISON(>=)

#define PREFIX(i, op) T(op a.i)
#define UNARY(op)                                                                                                      \
    template <class T> vec<T, 2> operator op(vec<T, 2> a) { return {ALL2(PREFIX, op)}; }                               \
    template <class T> vec<T, 3> operator op(vec<T, 3> a) { return {ALL3(PREFIX, op)}; }                               \
    template <class T> vec<T, 4> operator op(vec<T, 4> a) { return {ALL4(PREFIX, op)}; }
UNARY(-) UNARY(~) UNARY(!)

// --- Functions ---------------------------------------------------------------------------------------------------------

inline int abs(int a) { return a < 0 ? -a : a; }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline uint min(uint a, uint b) { return a < b ? a : b; }
inline uint max(uint a, uint b) { return a > b ? a : b; }
inline uint popcount(uint a) { return __popc(a); }
inline uint clz(uint a) { return __clz(a); }
inline uint ctz(uint a) { return __ffs(a) - 1; }

inline float min(float a, float b) { return ::fminf(a, b); }
inline float max(float a, float b) { return ::fmaxf(a, b); }
inline float pow(float a, float b) { return ::__powf(a, b); }
inline float step(float edge, float a) { return a < edge ? 0.f : 1.f; }
inline float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
inline float saturate(float a) { return ::__saturatef(a); }
inline float abs(float a) { return ::fabsf(a); }
inline float floor(float a) { return ::floorf(a); }
inline float ceil(float a) { return ::ceilf(a); }
inline float trunc(float a) { return ::truncf(a); }
inline float rint(float a) { return ::rintf(a); }
inline float fract(float a) { return a - ::floorf(a); }
inline float sign(float a) { return a > 0.f ? 1.f : a < 0.f ? -1.f : 0.f; }
inline float sqrt(float a) { return ::sqrtf(a); }
inline float rsqrt(float a) { return ::rsqrtf(a); }
inline float exp(float a) { return ::__expf(a); }
inline float exp2(float a) { return ::exp2f(a); }
inline float log(float a) { return ::__logf(a); }
inline float log2(float a) { return ::__log2f(a); }
inline float sin(float a) { return ::__sinf(a); }
inline float cos(float a) { return ::__cosf(a); }
inline float tanh(float a) { return ::tanhf(a); }
inline bool isnan(float a) { return a != a; }
inline bool isinf(float a) { return ::fabsf(a) == __int_as_float(0x7f800000); }

#define CALL1(i, f) f(a.i)
#define CALL2(i, f) f(a.i, b.i)
#define CALL3(i, f) f(a.i, b.i, c.i)
#define UNARY_FUNCTION(f)                                                                                              \
    template <class T> vec<T, 2> f(vec<T, 2> a) { return {ALL2(CALL1, f)}; }                                           \
    template <class T> vec<T, 3> f(vec<T, 3> a) { return {ALL3(CALL1, f)}; }                                           \
    template <class T> vec<T, 4> f(vec<T, 4> a) { return {ALL4(CALL1, f)}; }
#define BINARY_FUNCTION(f)                                                                                             \
    template <class T> vec<T, 2> f(vec<T, 2> a, vec<T, 2> b) { return {ALL2(CALL2, f)}; }                              \
    template <class T> vec<T, 3> f(vec<T, 3> a, vec<T, 3> b) { return {ALL3(CALL2, f)}; }                              \
    template <class T> vec<T, 4> f(vec<T, 4> a, vec<T, 4> b) { return {ALL4(CALL2, f)}; }                              \
    template <class T, uint N> vec<T, N> f(vec<T, N> a, T b) { return f(a, vec<T, N>(b)); }
UNARY_FUNCTION(abs) UNARY_FUNCTION(floor) UNARY_FUNCTION(ceil) UNARY_FUNCTION(trunc) UNARY_FUNCTION(rint)
UNARY_FUNCTION(fract) UNARY_FUNCTION(sign) UNARY_FUNCTION(sqrt) UNARY_FUNCTION(rsqrt) UNARY_FUNCTION(exp)
UNARY_FUNCTION(exp2) UNARY_FUNCTION(log) UNARY_FUNCTION(log2) UNARY_FUNCTION(sin) UNARY_FUNCTION(cos) UNARY_FUNCTION(tanh)
BINARY_FUNCTION(min) BINARY_FUNCTION(max) BINARY_FUNCTION(pow) BINARY_FUNCTION(step)

inline float2 fma(float2 a, float2 b, float2 c) { return {ALL2(CALL3, fma)}; }
inline float3 fma(float3 a, float3 b, float3 c) { return {ALL3(CALL3, fma)}; }
inline float4 fma(float4 a, float4 b, float4 c) { return {ALL4(CALL3, fma)}; }

template <class T> T clamp(T a, T low, T high) { return min(max(a, low), high); }
template <class T, uint N> vec<T, N> clamp(vec<T, N> a, T low, T high) { return min(max(a, low), high); }
template <class T> T mix(T a, T b, T t) { return a + (b - a) * t; }
template <uint N> vec<float, N> mix(vec<float, N> a, vec<float, N> b, float t) { return a + (b - a) * t; }

#define CHOOSE(i, ...) c.i ? b.i : a.i
template <class T> T select(T a, T b, bool c) { return c ? b : a; }
template <class T> vec<T, 2> select(vec<T, 2> a, vec<T, 2> b, bool2 c) { return {ALL2(CHOOSE, )}; }
template <class T> vec<T, 3> select(vec<T, 3> a, vec<T, 3> b, bool3 c) { return {ALL3(CHOOSE, )}; }
template <class T> vec<T, 4> select(vec<T, 4> a, vec<T, 4> b, bool4 c) { return {ALL4(CHOOSE, )}; }
template <class T, uint N> vec<T, N> select(vec<T, N> a, T b, vec<bool, N> c) { return select(a, vec<T, N>(b), c); }
template <class T> vec<T, 3> select(packed<T> a, vec<T, 3> b, bool3 c) { return select(vec<T, 3>(a), b, c); }
template <class T> vec<T, 3> select(vec<T, 3> a, packed<T> b, bool3 c) { return select(a, vec<T, 3>(b), c); }
template <class T> vec<T, 3> select(packed<T> a, T b, bool3 c) { return select(vec<T, 3>(a), vec<T, 3>(b), c); }

template <class T> T dot(vec<T, 2> a, vec<T, 2> b) { return a.x * b.x + a.y * b.y; }
template <class T> T dot(vec<T, 3> a, vec<T, 3> b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
template <class T> T dot(vec<T, 4> a, vec<T, 4> b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }
inline bool any(bool2 a) { return a.x || a.y; }
inline bool any(bool3 a) { return a.x || a.y || a.z; }
inline bool any(bool4 a) { return a.x || a.y || a.z || a.w; }
inline bool all(bool2 a) { return a.x && a.y; }
inline bool all(bool3 a) { return a.x && a.y && a.z; }
inline bool all(bool4 a) { return a.x && a.y && a.z && a.w; }

// --- Matrices: C columns of R components ---------------------------------------------------------------------------------

template <uint C, uint R> struct matrix {
    vec<float, R> columns[C];
    matrix() = default;
    template <class... Rest> matrix(vec<float, R> first, Rest... rest) : columns{first, rest...} {}
    vec<float, R> &operator[](uint i) { return columns[i]; }
    const vec<float, R> &operator[](uint i) const { return columns[i]; }
};
using float2x2 = matrix<2, 2>; using float2x3 = matrix<2, 3>; using float2x4 = matrix<2, 4>;
using float3x2 = matrix<3, 2>; using float3x3 = matrix<3, 3>; using float3x4 = matrix<3, 4>;
using float4x2 = matrix<4, 2>; using float4x3 = matrix<4, 3>; using float4x4 = matrix<4, 4>;

template <uint C, uint R> matrix<C, R> operator+(matrix<C, R> a, matrix<C, R> b) {
    for (uint i = 0; i < C; i++) a.columns[i] = a.columns[i] + b.columns[i];
    return a;
}
template <uint C, uint R> matrix<C, R> operator-(matrix<C, R> a, matrix<C, R> b) {
    for (uint i = 0; i < C; i++) a.columns[i] = a.columns[i] - b.columns[i];
    return a;
}
template <uint C, uint R> matrix<C, R> operator*(matrix<C, R> a, float b) {
    for (uint i = 0; i < C; i++) a.columns[i] = a.columns[i] * b;
    return a;
}
template <uint C, uint R> matrix<C, R> operator*(float a, matrix<C, R> b) { return b * a; }
template <uint C, uint R> vec<float, R> operator*(matrix<C, R> a, vec<float, C> b) {
    vec<float, R> sum = a.columns[0] * b[0];
    for (uint i = 1; i < C; i++) sum = sum + a.columns[i] * b[i];
    return sum;
}

#define COMPONENT_OF_2(i) float2(a[0].i, a[1].i)
#define COMPONENT_OF_3(i) float3(a[0].i, a[1].i, a[2].i)
#define COMPONENT_OF_4(i) float4(a[0].i, a[1].i, a[2].i, a[3].i)
#define TRANSPOSE(C)                                                                                                   \
    inline float2x##C transpose(float##C##x2 a) { return {COMPONENT_OF_##C(x), COMPONENT_OF_##C(y)}; }                 \
    inline float3x##C transpose(float##C##x3 a) { return {COMPONENT_OF_##C(x), COMPONENT_OF_##C(y), COMPONENT_OF_##C(z)}; } \
    inline float4x##C transpose(float##C##x4 a) {                                                                      \
        return {COMPONENT_OF_##C(x), COMPONENT_OF_##C(y), COMPONENT_OF_##C(z), COMPONENT_OF_##C(w)};                   \
    }
TRANSPOSE(2) TRANSPOSE(3) TRANSPOSE(4)

// --- Barriers, atomics, subgroups ----------------------------------------------------------------------------------------

enum class mem_flags { mem_none = 0, mem_device = 1, mem_threadgroup = 2, mem_texture = 4 };
inline mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(int(a) | int(b)); }
inline void threadgroup_barrier(mem_flags) { __syncthreads(); }
inline void simdgroup_barrier(mem_flags) { __syncwarp(); }

enum memory_order { memory_order_relaxed };
template <class T> struct atomic { T value; };
using atomic_int = atomic<int>;
using atomic_uint = atomic<uint>;
using atomic_float = atomic<float>;
template <class T> T atomic_load_explicit(const atomic<T> *a, memory_order) { return *(const volatile T *)&a->value; }
template <class T> void atomic_store_explicit(atomic<T> *a, T v, memory_order) { *(volatile T *)&a->value = v; }
#define READ_MODIFY_WRITE(name, cuda)                                                                                  \
    template <class T> T atomic_##name##_explicit(atomic<T> *a, T v, memory_order) { return cuda(&a->value, v); }
READ_MODIFY_WRITE(exchange, ::atomicExch) READ_MODIFY_WRITE(fetch_add, ::atomicAdd) READ_MODIFY_WRITE(fetch_sub, ::atomicSub)
READ_MODIFY_WRITE(fetch_min, ::atomicMin) READ_MODIFY_WRITE(fetch_max, ::atomicMax) READ_MODIFY_WRITE(fetch_and, ::atomicAnd)
READ_MODIFY_WRITE(fetch_or, ::atomicOr) READ_MODIFY_WRITE(fetch_xor, ::atomicXor)

constexpr uint ALL_LANES = 0xffffffffu;
template <class T> T simd_broadcast(T v, uint lane) { return __shfl_sync(ALL_LANES, v, lane); }
template <class T> T simd_broadcast_first(T v) { return __shfl_sync(ALL_LANES, v, 0); }
template <class T> T simd_shuffle(T v, uint lane) { return __shfl_sync(ALL_LANES, v, lane); }
template <class T> T simd_shuffle_xor(T v, uint mask) { return __shfl_xor_sync(ALL_LANES, v, mask); }
template <class T> T simd_shuffle_up(T v, uint by) { return __shfl_up_sync(ALL_LANES, v, by); }
template <class T> T simd_shuffle_down(T v, uint by) { return __shfl_down_sync(ALL_LANES, v, by); }
#define REDUCE(name, combined)                                                                                         \
    template <class T> T name(T v) {                                                                                   \
        for (uint mask = 16; mask > 0; mask /= 2) { T other = simd_shuffle_xor(v, mask); v = combined; }               \
        return v;                                                                                                      \
    }
REDUCE(simd_sum, v + other) REDUCE(simd_min, min(v, other)) REDUCE(simd_max, max(v, other))
inline bool simd_any(bool v) { return __any_sync(ALL_LANES, v); }
inline bool simd_all(bool v) { return __all_sync(ALL_LANES, v); }

} // namespace metal

// --- as_type: the bits of a value as another type ------------------------------------------------------------------------

template <class To, class From> struct Bits;
template <> struct Bits<float, float> { static float of(float v) { return v; } };
template <> struct Bits<int, int> { static int of(int v) { return v; } };
template <> struct Bits<metal::uint, metal::uint> { static metal::uint of(metal::uint v) { return v; } };
template <> struct Bits<float, int> { static float of(int v) { return __int_as_float(v); } };
template <> struct Bits<int, float> { static int of(float v) { return __float_as_int(v); } };
template <> struct Bits<float, metal::uint> { static float of(metal::uint v) { return __uint_as_float(v); } };
template <> struct Bits<metal::uint, float> { static metal::uint of(float v) { return __float_as_uint(v); } };
template <> struct Bits<int, metal::uint> { static int of(metal::uint v) { return int(v); } };
template <> struct Bits<metal::uint, int> { static metal::uint of(int v) { return metal::uint(v); } };
#define COMPONENT_BITS(i, ...) Bits<To, From>::of(v.i)
#define BITS_OF(N)                                                                                                     \
    template <class To, class From> struct Bits<metal::vec<To, N>, metal::vec<From, N>> {                              \
        static metal::vec<To, N> of(metal::vec<From, N> v) { return {ALL##N(COMPONENT_BITS, )}; }                      \
    };
BITS_OF(2) BITS_OF(3) BITS_OF(4)
template <> struct Bits<metal::half2, metal::uint> {
    static metal::half2 of(metal::uint v) {
        metal::half2 halves;
        halves.x.bits = metal::ushort(v), halves.y.bits = metal::ushort(v >> 16);
        return halves;
    }
};
template <> struct Bits<metal::uint, metal::half2> {
    static metal::uint of(metal::half2 v) { return metal::uint(v.y.bits) << 16 | v.x.bits; }
};
template <class To, class From> To as_type(From v) { return Bits<To, From>::of(v); }

#include "kernels/depthwise.h"

#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "kernels/lanes.h"

namespace trivium::kernels {
namespace {

/// `width` neighbouring channels: vectors of the compiler, which it splits where the processor has shorter ones. Written out for each
/// width, because GCC 12 converts no vector whose length a template decides.
template <int width>
struct Group;

#define TRIVIUM_GROUP(width)                                                                \
  template <>                                                                               \
  struct Group<width> {                                                                     \
    typedef float Floats __attribute__((vector_size(4 * width)));                           \
    typedef uint32_t Words __attribute__((vector_size(4 * width)));                         \
    typedef uint16_t Halves __attribute__((vector_size(2 * width)));                        \
    static TRIVIUM_INLINE void load(const float* from, Floats& to) { std::memcpy(&to, from, sizeof(to)); } \
    static TRIVIUM_INLINE void load(const Bits* from, Floats& to) {                         \
      Halves halves;                                                                        \
      std::memcpy(&halves, from, sizeof(halves));                                           \
      const Words words = __builtin_convertvector(halves, Words) << 16;                     \
      std::memcpy(&to, &words, sizeof(to));                                                 \
    }                                                                                       \
    static TRIVIUM_INLINE void store(const Floats& from, float* to) { std::memcpy(to, &from, sizeof(from)); } \
  };
TRIVIUM_GROUP(16)
TRIVIUM_GROUP(8)
TRIVIUM_GROUP(4)
TRIVIUM_GROUP(1)
#undef TRIVIUM_GROUP

struct Map {
  int64_t channels, height, width;
};

/// Adds the rows [begin, end) of one image: to sums [kernel², C] and bias [C], the channels [first, C) as far as `lanes` fit. Returns where
/// it stopped. `input` and `gradient` are the whole image [H, W, C]. A group of channels goes through all rows before the next: what they
/// touch of a few rows stays in the first-level cache.
template <int lanes, int kernel, typename Element>
TRIVIUM_INLINE int64_t add_rows_of(const Element* input, const Element* gradient, int64_t begin, int64_t end, const Map& map, int64_t first,
                                   float* sums, float* bias) {
  using L = Group<lanes>;
  using Floats = typename L::Floats;
  constexpr int64_t reach = kernel / 2;
  const int64_t channels = map.channels, line = map.width * channels;
  int64_t channel = first;
  for (; channel + lanes <= channels; channel += lanes) {
    Floats total, value, other;
    L::load(bias + channel, total);
    for (int64_t row = begin; row < end; ++row) {
      const Element* own = gradient + row * line + channel;
      for (int64_t x = 0; x < map.width; ++x) {
        L::load(own + x * channels, value);
        total += value;
      }
      for (int64_t ky = std::max<int64_t>(0, reach - row); ky < std::min<int64_t>(kernel, map.height + reach - row); ++ky) {
        const Element* beside = input + (row + ky - reach) * line + channel;
        float* target = sums + ky * kernel * channels + channel;
        Floats sum[kernel];
        for (int k = 0; k < kernel; ++k) L::load(target + k * channels, sum[k]);
        for (int64_t x = 0; x < map.width; ++x) {
          L::load(own + x * channels, value);
          const Element* left = beside + (x - reach) * channels;
          if (x >= reach && x + reach < map.width) {
#pragma GCC unroll 8
            for (int k = 0; k < kernel; ++k) {
              L::load(left + k * channels, other);
              sum[k] += value * other;
            }
          } else {
#pragma GCC unroll 8
            for (int k = 0; k < kernel; ++k) {
              if (x + k < reach || x + k - reach >= map.width) continue;
              L::load(left + k * channels, other);
              sum[k] += value * other;
            }
          }
        }
        for (int k = 0; k < kernel; ++k) L::store(sum[k], target + k * channels);
      }
    }
    L::store(total, bias + channel);
  }
  return channel;
}

/// The rows [begin, end) of all images, counted through.
template <int kernel, typename Element>
TRIVIUM_INLINE void add_rows(const Element* input, const Element* gradient, int64_t begin, int64_t end, const Map& map, float* sums,
                             float* bias) {
  const int64_t size = map.height * map.width * map.channels;
  while (begin < end) {
    const int64_t image = begin / map.height, row = begin % map.height, last = std::min(map.height, row + end - begin);
    const Element *in = input + image * size, *out = gradient + image * size;
    int64_t channel = add_rows_of<16, kernel>(in, out, row, last, map, 0, sums, bias);
    channel = add_rows_of<8, kernel>(in, out, row, last, map, channel, sums, bias);
    channel = add_rows_of<4, kernel>(in, out, row, last, map, channel, sums, bias);
    add_rows_of<1, kernel>(in, out, row, last, map, channel, sums, bias);
    begin += last - row;
  }
}

using Rows = void (*)(const void*, const void*, int64_t, int64_t, const Map&, float*, float*);

#define TRIVIUM_ROWS(name, kernel, Element)                                                                                          \
  TRIVIUM_CLONES void name(const void* input, const void* gradient, int64_t begin, int64_t end, const Map& map, float* sums,       \
                           float* bias) {                                                                                          \
    add_rows<kernel>(static_cast<const Element*>(input), static_cast<const Element*>(gradient), begin, end, map, sums, bias);          \
  }
TRIVIUM_ROWS(rows_3_float, 3, float)
TRIVIUM_ROWS(rows_5_float, 5, float)
TRIVIUM_ROWS(rows_7_float, 7, float)
TRIVIUM_ROWS(rows_3_bfloat, 3, Bits)
TRIVIUM_ROWS(rows_5_bfloat, 5, Bits)
TRIVIUM_ROWS(rows_7_bfloat, 7, Bits)
#undef TRIVIUM_ROWS

Rows rows_for(torch::ScalarType type, int64_t kernel) {
  const bool wide = type == torch::kFloat;
  if (!wide && type != torch::kBFloat16) return nullptr;
  switch (kernel) {
    case 3: return wide ? rows_3_float : rows_3_bfloat;
    case 5: return wide ? rows_5_float : rows_5_bfloat;
    case 7: return wide ? rows_7_float : rows_7_bfloat;
    default: return nullptr;
  }
}

}  // namespace

bool has_depthwise_weight_gradient(const torch::Tensor& input, int64_t kernel) {
  return input.device().is_cpu() && input.dim() == 4 && input.is_contiguous(at::MemoryFormat::ChannelsLast) &&
         rows_for(input.scalar_type(), kernel) != nullptr;
}

std::pair<torch::Tensor, torch::Tensor> depthwise_weight_gradient(const torch::Tensor& input, const torch::Tensor& gradient,
                                                                  int64_t kernel) {
  if (!has_depthwise_weight_gradient(input, kernel) || gradient.sizes() != input.sizes() || gradient.scalar_type() != input.scalar_type() ||
      !gradient.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    throw error(ErrorKind::Shape, "depthwise gradient: expected two channels-last maps of one shape and type but got ", input.sizes(),
                " and ", gradient.sizes());
  }
  const Map map{input.size(1), input.size(2), input.size(3)};
  const int64_t rows = input.size(0) * map.height, threads = at::get_num_threads(), taps = kernel * kernel;
  const auto partial = at::zeros({threads, taps + 1, map.channels}, at::kFloat);
  auto* const sums = partial.mutable_data_ptr<float>();
  const auto* const from = input.const_data_ptr();
  const auto* const change = gradient.const_data_ptr();
  const Rows add = rows_for(input.scalar_type(), kernel);
  at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
    float* own = sums + at::get_thread_num() * (taps + 1) * map.channels;
    add(from, change, begin, end, map, own, own + taps * map.channels);
  });
  const auto total = partial.sum(at::IntArrayRef{0});  // [kernel² + 1, C]
  auto weight = total.slice(0, 0, taps).t().contiguous().view({map.channels, 1, kernel, kernel});
  return {weight, total.select(0, taps).clone()};
}

}  // namespace trivium::kernels

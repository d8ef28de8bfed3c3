#include "kernels/window_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "core/error.h"
#include "kernels/vectors.h"

namespace trivium::kernels {
namespace {

constexpr int64_t kRows = 32;  // queries that are worked on together
constexpr float kSmallestNorm = 1e-12F;

/// Sizes of one window of one head; `_p`: filled up to whole vectors.
struct Sizes {
  int64_t tokens, depth, tokens_p, depth_p, heads, windows;
};

/// Everything that is made on the way, for one window of one head.
struct Scratch {
  explicit Scratch(const Sizes& s)
      : memory(static_cast<size_t>(8 * s.tokens_p * s.depth_p + 2 * kRows * s.tokens_p + 2 * kRows * s.depth_p + 2 * s.tokens_p), 0.0F) {
    float* at = memory.data();
    const auto take = [&](int64_t count) { return std::exchange(at, at + count); };
    const int64_t square = s.tokens_p * s.depth_p;
    query = take(square), key = take(square), value = take(square), key_t = take(square), value_t = take(square);
    query_gradient = take(square), key_gradient = take(square), value_gradient = take(square);
    weights = take(kRows * s.tokens_p), changes = take(kRows * s.tokens_p),
    result = take(kRows * s.depth_p), outer = take(kRows * s.depth_p), query_inverse = take(s.tokens_p), key_inverse = take(s.tokens_p);
  }
  std::vector<float> memory;
  float *query, *key, *value, *key_t, *value_t, *key_gradient, *value_gradient, *query_gradient;  // [tokens_p, depth_p], _t the other way
  float *weights, *changes;                                                                       // [kRows, tokens_p]
  float *result, *outer;                                                                          // [kRows, depth_p]
  float *query_inverse, *key_inverse;                                                             // [tokens_p] 1 / length
};

/// To length `length`; returns 1 over what it was, 0 for zeros.
TRIVIUM_INLINE float normalise(float* vector, int64_t width, float length) {
  const float norm = std::sqrt(product(vector, vector, width));
  if (norm < kSmallestNorm) return 0;
  scaled(vector, width, length / norm);
  return 1 / norm;
}

/// One window's queries (times scale), keys and values as vectors of float32, the former two of unit length.
template <typename Element>
TRIVIUM_INLINE void gather(const Element* qkv, const int64_t* order, const Sizes& s, int64_t head, float scale, Scratch& at) {
  const int64_t width = s.heads * s.depth;
  for (int64_t t = 0; t < s.tokens; ++t) {
    const Element* token = qkv + order[t] * 3 * width + head * s.depth;
    read_vector(token, s.depth, at.query + t * s.depth_p);
    read_vector(token + width, s.depth, at.key + t * s.depth_p);
    read_vector(token + 2 * width, s.depth, at.value + t * s.depth_p);
    at.query_inverse[t] = normalise(at.query + t * s.depth_p, s.depth_p, scale);
    at.key_inverse[t] = normalise(at.key + t * s.depth_p, s.depth_p, 1);
  }
  transpose(at.key, s.tokens, s.depth, s.depth_p, at.key_t, s.tokens_p);
}

/// softmax(q kᵀ + bias + mask) of the queries [first, first + count): [count, tokens_p], 0 beyond the tokens.
TRIVIUM_INLINE void attend(const Sizes& s, int64_t first, int64_t count, const float* bias, const float* mask, Scratch& at) {
  std::memset(at.weights, 0, sizeof(float) * static_cast<size_t>(count * s.tokens_p));
  multiply(at.query + first * s.depth_p, s.depth_p, 1, at.key_t, s.tokens_p, count, s.depth, at.weights);
  for (int64_t i = 0; i < count; ++i) {
    float* row = at.weights + i * s.tokens_p;
    const float* own = bias + (first + i) * s.tokens;
    const float* barrier = mask == nullptr ? nullptr : mask + (first + i) * s.tokens;
    Floats value, other;
    int64_t j = 0;
    for (; j + kLanes <= s.tokens; j += kLanes) {
      load(row + j, value);
      load(own + j, other);
      value += other;
      if (barrier != nullptr) {
        load(barrier + j, other);
        value += other;
      }
      store(value, row + j);
    }
    for (; j < s.tokens; ++j) row[j] += own[j] + (barrier != nullptr ? barrier[j] : 0.0F);
    softmax(row, s.tokens, s.tokens_p);
  }
}

template <typename Element>
TRIVIUM_INLINE void forward_window(const Element* qkv, const int64_t* order, const Sizes& s, int64_t head, float scale, const float* bias,
                                   const float* mask, Scratch& at, Element* out) {
  gather(qkv, order, s, head, scale, at);
  for (int64_t first = 0; first < s.tokens; first += kRows) {
    const int64_t count = std::min(kRows, s.tokens - first);
    attend(s, first, count, bias, mask, at);
    std::memset(at.result, 0, sizeof(float) * static_cast<size_t>(count * s.depth_p));
    multiply(at.weights, s.tokens_p, 1, at.value, s.depth_p, count, s.tokens, at.result);
    for (int64_t i = 0; i < count; ++i) {
      write_vector(at.result + i * s.depth_p, s.depth, out + order[first + i] * s.heads * s.depth + head * s.depth);
    }
  }
}

/// The gradient of a vector from that of the same at length `length`, which is `unit`.
TRIVIUM_INLINE void unnormalise(float* gradient, const float* unit, int64_t width, float length, float inverse) {
  const float along = product(gradient, unit, width) / length * inverse;
  for (int64_t i = 0; i < width; i += kLanes) {
    Floats g, u;
    load(gradient + i, g);
    load(unit + i, u);
    store(g * (length * inverse) - u * along, gradient + i);
  }
}

/// Adds to bias_gradient [T, T] and returns the gradient of the scale.
template <typename Element>
TRIVIUM_INLINE float backward_window(const Element* qkv, const Element* gradient, const int64_t* order, const Sizes& s, int64_t head,
                                     float scale, const float* bias, const float* mask, Scratch& at, Element* qkv_gradient,
                                     float* bias_gradient) {
  const int64_t width = s.heads * s.depth, square = s.tokens_p * s.depth_p;
  gather(qkv, order, s, head, scale, at);
  transpose(at.value, s.tokens, s.depth, s.depth_p, at.value_t, s.tokens_p);
  for (float* sums : {at.query_gradient, at.key_gradient, at.value_gradient}) {
    std::memset(sums, 0, sizeof(float) * static_cast<size_t>(square));
  }
  for (int64_t first = 0; first < s.tokens; first += kRows) {
    const int64_t count = std::min(kRows, s.tokens - first);
    attend(s, first, count, bias, mask, at);
    for (int64_t i = 0; i < count; ++i) {
      read_vector(gradient + order[first + i] * width + head * s.depth, s.depth, at.outer + i * s.depth_p);
    }
    std::memset(at.changes, 0, sizeof(float) * static_cast<size_t>(count * s.tokens_p));
    multiply(at.outer, s.depth_p, 1, at.value_t, s.tokens_p, count, s.depth, at.changes);
    for (int64_t i = 0; i < count; ++i) {  // through the softmax
      float *weight = at.weights + i * s.tokens_p, *change = at.changes + i * s.tokens_p, *sums = bias_gradient + (first + i) * s.tokens;
      softmax_backward(weight, change, s.tokens_p);
      Floats c, sum;
      int64_t j = 0;
      for (; j + kLanes <= s.tokens; j += kLanes) {
        load(change + j, c);
        load(sums + j, sum);
        store(sum + c, sums + j);
      }
      for (; j < s.tokens; ++j) sums[j] += change[j];
    }
    multiply(at.weights, 1, s.tokens_p, at.outer, s.depth_p, s.tokens, count, at.value_gradient);
    multiply(at.changes, s.tokens_p, 1, at.key, s.depth_p, count, s.tokens, at.query_gradient + first * s.depth_p);
    multiply(at.changes, 1, s.tokens_p, at.query + first * s.depth_p, s.depth_p, s.tokens, count, at.key_gradient);
  }
  float scale_gradient = 0;
  for (int64_t t = 0; t < s.tokens; ++t) {
    float *query = at.query_gradient + t * s.depth_p, *key = at.key_gradient + t * s.depth_p;
    scale_gradient += product(query, at.query + t * s.depth_p, s.depth_p) / scale;
    unnormalise(query, at.query + t * s.depth_p, s.depth_p, scale, at.query_inverse[t]);
    unnormalise(key, at.key + t * s.depth_p, s.depth_p, 1, at.key_inverse[t]);
    Element* token = qkv_gradient + order[t] * 3 * width + head * s.depth;
    write_vector(query, s.depth, token);
    write_vector(key, s.depth, token + width);
    write_vector(at.value_gradient + t * s.depth_p, s.depth, token + 2 * width);
  }
  return scale_gradient;
}

/// What both directions read and write; pointers to the types of the tensors.
struct Job {
  Sizes sizes;
  const void *qkv, *gradient;       // [N, L, 3D], [N, L, D]
  const int64_t* order;             // [L]
  const float *scale, *bias, *mask; // [heads], [heads, T, T], [windows, T, T] or null
  void *out, *qkv_gradient;         // [N, L, D], [N, L, 3D]

  int64_t square() const { return sizes.tokens * sizes.tokens; }
  int64_t width() const { return sizes.heads * sizes.depth; }
  int64_t length() const { return sizes.windows * sizes.tokens; }
};

/// The windows [begin, end) of all images, counted through.
template <typename Element>
TRIVIUM_INLINE void forward_windows(const Job& job, int64_t begin, int64_t end) {
  Scratch scratch(job.sizes);
  for (int64_t index = begin; index < end; ++index) {
    const int64_t image = index / job.sizes.windows, window = index % job.sizes.windows;
    const float* mask = job.mask == nullptr ? nullptr : job.mask + window * job.square();
    for (int64_t head = 0; head < job.sizes.heads; ++head) {
      forward_window(static_cast<const Element*>(job.qkv) + image * job.length() * 3 * job.width(), job.order + window * job.sizes.tokens,
                     job.sizes, head, job.scale[head], job.bias + head * job.square(), mask, scratch,
                     static_cast<Element*>(job.out) + image * job.length() * job.width());
    }
  }
}

template <typename Element>
TRIVIUM_INLINE void backward_windows(const Job& job, int64_t begin, int64_t end, float* bias_gradient, float* scale_gradient) {
  Scratch scratch(job.sizes);
  for (int64_t index = begin; index < end; ++index) {
    const int64_t image = index / job.sizes.windows, window = index % job.sizes.windows, offset = image * job.length() * job.width();
    const float* mask = job.mask == nullptr ? nullptr : job.mask + window * job.square();
    for (int64_t head = 0; head < job.sizes.heads; ++head) {
      scale_gradient[head] += backward_window(
          static_cast<const Element*>(job.qkv) + 3 * offset, static_cast<const Element*>(job.gradient) + offset,
          job.order + window * job.sizes.tokens, job.sizes, head, job.scale[head], job.bias + head * job.square(), mask, scratch,
          static_cast<Element*>(job.qkv_gradient) + 3 * offset, bias_gradient + head * job.square());
    }
  }
}

TRIVIUM_CLONES void forward_float(const Job& job, int64_t begin, int64_t end) { forward_windows<float>(job, begin, end); }
TRIVIUM_CLONES void forward_bfloat(const Job& job, int64_t begin, int64_t end) { forward_windows<Bits>(job, begin, end); }
TRIVIUM_CLONES void backward_float(const Job& job, int64_t begin, int64_t end, float* bias_gradient, float* scale_gradient) {
  backward_windows<float>(job, begin, end, bias_gradient, scale_gradient);
}
TRIVIUM_CLONES void backward_bfloat(const Job& job, int64_t begin, int64_t end, float* bias_gradient, float* scale_gradient) {
  backward_windows<Bits>(job, begin, end, bias_gradient, scale_gradient);
}

int64_t up_to_lanes(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

bool holds(const torch::Tensor& tensor, torch::ScalarType type, int64_t count) {
  return tensor.device().is_cpu() && tensor.scalar_type() == type && tensor.is_contiguous() && tensor.numel() == count;
}

Job job_of(const torch::Tensor& qkv, const WindowWeights& weights) {
  const int64_t heads = weights.bias.size(0), tokens = weights.bias.size(1), width = qkv.size(2) / 3, length = qkv.size(1);
  const bool fits = has_window_attention(qkv) && qkv.is_contiguous() && qkv.size(2) == 3 * width && width % heads == 0 &&
                    length % tokens == 0 && holds(weights.scale, at::kFloat, heads) &&
                    holds(weights.bias, at::kFloat, heads * tokens * tokens) &&
                    holds(weights.order, at::kLong, length) &&
                    (!weights.mask.defined() || holds(weights.mask, at::kFloat, length * tokens));
  if (!fits) {
    throw error(ErrorKind::Shape, "window attention: expected contiguous qkv [N, windows * T, 3 * D] beside scale [H], bias [H, T, T], ",
                "mask [windows, T, T] and order [windows * T] but got ", qkv.sizes(), ", ", weights.scale.sizes(), ", ", weights.bias.sizes(), " and ",
                weights.order.sizes());
  }
  const Sizes sizes{tokens, width / heads, up_to_lanes(tokens), up_to_lanes(width / heads), heads, length / tokens};
  return {sizes,
          qkv.const_data_ptr(),
          nullptr,
          weights.order.const_data_ptr<int64_t>(),
          weights.scale.const_data_ptr<float>(),
          weights.bias.const_data_ptr<float>(),
          weights.mask.defined() ? weights.mask.const_data_ptr<float>() : nullptr,
          nullptr,
          nullptr};
}

}  // namespace

bool has_window_attention(const torch::Tensor& qkv) {
  return qkv.device().is_cpu() && qkv.dim() == 3 && (qkv.scalar_type() == at::kFloat || qkv.scalar_type() == at::kBFloat16);
}

torch::Tensor window_attention(const torch::Tensor& qkv, const WindowWeights& weights) {
  Job job = job_of(qkv, weights);
  auto out = at::empty({qkv.size(0), qkv.size(1), job.width()}, qkv.options().requires_grad(false));
  job.out = out.mutable_data_ptr();
  const auto run = qkv.scalar_type() == at::kFloat ? forward_float : forward_bfloat;
  at::parallel_for(0, qkv.size(0) * job.sizes.windows, 1, [&](int64_t begin, int64_t end) { run(job, begin, end); });
  return out;
}

std::tuple<torch::Tensor, torch::Tensor, torch::Tensor> window_attention_backward(const torch::Tensor& gradient, const torch::Tensor& qkv,
                                                                                  const WindowWeights& weights) {
  Job job = job_of(qkv, weights);
  if (!holds(gradient, qkv.scalar_type(), qkv.numel() / 3)) {
    throw error(ErrorKind::Shape, "window attention: expected a contiguous gradient of ", qkv.numel() / 3, " values but got ",
                gradient.sizes());
  }
  auto qkv_gradient = at::empty_like(qkv);
  job.gradient = gradient.const_data_ptr();
  job.qkv_gradient = qkv_gradient.mutable_data_ptr();
  const auto run = qkv.scalar_type() == at::kFloat ? backward_float : backward_bfloat;
  // Each thread sums for itself.
  const int64_t threads = at::get_num_threads(), heads = job.sizes.heads, tokens = job.sizes.tokens;
  const auto bias = at::zeros({threads, heads, tokens, tokens}, at::kFloat), scale = at::zeros({threads, heads}, at::kFloat);
  at::parallel_for(0, qkv.size(0) * job.sizes.windows, 1, [&](int64_t begin, int64_t end) {
    const int64_t thread = at::get_thread_num();
    run(job, begin, end, bias.mutable_data_ptr<float>() + thread * heads * tokens * tokens,
        scale.mutable_data_ptr<float>() + thread * heads);
  });
  return {qkv_gradient, scale.sum(at::IntArrayRef{0}), bias.sum(at::IntArrayRef{0})};
}

}  // namespace trivium::kernels

#include "kernels/window_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "kernels/attention_head.h"

namespace trivium::kernels {
namespace {

constexpr float kSmallestNorm = 1e-12F;

/// Of one head in one window, and how many there are of both.
struct Sizes : HeadSizes {
  int64_t heads = 0, windows = 0;
};

struct Scratch : HeadScratch {
  explicit Scratch(const HeadSizes& s) : HeadScratch(s), query_inverse(static_cast<size_t>(s.tokens)), key_inverse(query_inverse) {}
  std::vector<float> query_inverse, key_inverse;  // [tokens] 1 / length
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
  score(s, first, count, at);
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
  for (int64_t first = 0; first < s.tokens; first += kQueries) {
    const int64_t count = std::min(kQueries, s.tokens - first);
    attend(s, first, count, bias, mask, at);
    mix(s, count, at);
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
  const int64_t width = s.heads * s.depth;
  gather(qkv, order, s, head, scale, at);
  start_gradients(s, at);
  for (int64_t first = 0; first < s.tokens; first += kQueries) {
    const int64_t count = std::min(kQueries, s.tokens - first);
    attend(s, first, count, bias, mask, at);
    for (int64_t i = 0; i < count; ++i) {
      read_vector(gradient + order[first + i] * width + head * s.depth, s.depth, at.outer + i * s.depth_p);
    }
    add_gradients(s, first, count, at);
    for (int64_t i = 0; i < count; ++i) {
      float *change = at.changes + i * s.tokens_p, *sums = bias_gradient + (first + i) * s.tokens;
      Floats c, sum;
      int64_t j = 0;
      for (; j + kLanes <= s.tokens; j += kLanes) {
        load(change + j, c);
        load(sums + j, sum);
        store(sum + c, sums + j);
      }
      for (; j < s.tokens; ++j) sums[j] += change[j];
    }
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
                "mask [windows, T, T] and order [windows * T] but got ", qkv.sizes(), ", ", weights.scale.sizes(), ", ", weights.bias.sizes(),
                " and ", weights.order.sizes());
  }
  const Sizes sizes{{tokens, width / heads}, heads, length / tokens};
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

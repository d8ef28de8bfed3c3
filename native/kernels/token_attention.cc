#include "kernels/token_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

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

/// Of one head of one image; `_p`: filled up to whole vectors.
struct Sizes {
  int64_t tokens, depth, tokens_p, depth_p, heads, images;
};

/// Everything that is made on the way. Rows past the tokens and columns past the depth stay zeros.
struct Scratch {
  explicit Scratch(const Sizes& s)
      : memory(static_cast<size_t>(8 * s.tokens_p * s.depth_p + 2 * kRows * s.tokens_p + 2 * kRows * s.depth_p), 0.0F) {
    float* at = memory.data();
    const auto take = [&](int64_t count) { return std::exchange(at, at + count); };
    const int64_t square = s.tokens_p * s.depth_p;
    query = take(square), key = take(square), value = take(square), key_t = take(square), value_t = take(square);
    query_gradient = take(square), key_gradient = take(square), value_gradient = take(square);
    weights = take(kRows * s.tokens_p), changes = take(kRows * s.tokens_p);
    result = take(kRows * s.depth_p), outer = take(kRows * s.depth_p);
  }
  std::vector<float> memory;
  float *query, *key, *value, *key_t, *value_t, *query_gradient, *key_gradient, *value_gradient;  // [tokens_p, depth_p], _t the other way
  float *weights, *changes;                                                                       // [kRows, tokens_p]
  float *result, *outer;                                                                          // [kRows, depth_p]
};

/// Where one of the tensors lies; steps in elements.
struct View {
  void* data;
  int64_t image, token, head;

  template <typename Element>
  TRIVIUM_INLINE Element* at(int64_t image_index, int64_t head_index) const {
    return static_cast<Element*>(data) + image_index * image + head_index * head;
  }
};

/// What both directions read and write.
struct Job {
  Sizes sizes;
  View query, key, value, result;                     // `result`: its gradient on the way back
  View query_gradient, key_gradient, value_gradient;  // on the way back alone
};

template <typename Element>
TRIVIUM_INLINE void read(const View& view, int64_t image, int64_t head, const Sizes& s, float* to) {
  const Element* from = view.at<const Element>(image, head);
  for (int64_t t = 0; t < s.tokens; ++t) read_vector(from + t * view.token, s.depth, to + t * s.depth_p);
}

template <typename Element>
TRIVIUM_INLINE void write(const float* from, const View& view, int64_t image, int64_t head, const Sizes& s) {
  Element* to = view.at<Element>(image, head);
  for (int64_t t = 0; t < s.tokens; ++t) write_vector(from + t * s.depth_p, s.depth, to + t * view.token);
}

TRIVIUM_INLINE void zero(float* values, int64_t count) { std::memset(values, 0, sizeof(float) * static_cast<size_t>(count)); }

/// One head's queries (over √d), keys and values in float32.
template <typename Element>
TRIVIUM_INLINE void gather(const Job& job, int64_t image, int64_t head, Scratch& at) {
  const Sizes& s = job.sizes;
  read<Element>(job.query, image, head, s, at.query);
  read<Element>(job.key, image, head, s, at.key);
  read<Element>(job.value, image, head, s, at.value);
  scaled(at.query, s.tokens * s.depth_p, 1 / std::sqrt(static_cast<float>(s.depth)));
  transpose(at.key, s.tokens, s.depth, s.depth_p, at.key_t, s.tokens_p);
}

/// The weights of the queries [first, first + count): [count, tokens_p], 0 beyond the tokens.
TRIVIUM_INLINE void attend(const Sizes& s, int64_t first, int64_t count, Scratch& at) {
  zero(at.weights, count * s.tokens_p);
  multiply(at.query + first * s.depth_p, s.depth_p, 1, at.key_t, s.tokens_p, count, s.depth, at.weights);
  for (int64_t i = 0; i < count; ++i) softmax(at.weights + i * s.tokens_p, s.tokens, s.tokens_p);
}

template <typename Element>
TRIVIUM_INLINE void forward_head(const Job& job, int64_t image, int64_t head, Scratch& at) {
  const Sizes& s = job.sizes;
  gather<Element>(job, image, head, at);
  for (int64_t first = 0; first < s.tokens; first += kRows) {
    const int64_t count = std::min(kRows, s.tokens - first);
    attend(s, first, count, at);
    zero(at.result, count * s.depth_p);
    multiply(at.weights, s.tokens_p, 1, at.value, s.depth_p, count, s.tokens, at.result);
    Element* to = job.result.at<Element>(image, head) + first * job.result.token;
    for (int64_t i = 0; i < count; ++i) write_vector(at.result + i * s.depth_p, s.depth, to + i * job.result.token);
  }
}

template <typename Element>
TRIVIUM_INLINE void backward_head(const Job& job, int64_t image, int64_t head, Scratch& at) {
  const Sizes& s = job.sizes;
  gather<Element>(job, image, head, at);
  transpose(at.value, s.tokens, s.depth, s.depth_p, at.value_t, s.tokens_p);
  for (float* sums : {at.query_gradient, at.key_gradient, at.value_gradient}) zero(sums, s.tokens * s.depth_p);
  for (int64_t first = 0; first < s.tokens; first += kRows) {
    const int64_t count = std::min(kRows, s.tokens - first);
    attend(s, first, count, at);
    const Element* from = job.result.at<const Element>(image, head) + first * job.result.token;
    for (int64_t i = 0; i < count; ++i) read_vector(from + i * job.result.token, s.depth, at.outer + i * s.depth_p);
    zero(at.changes, count * s.tokens_p);
    multiply(at.outer, s.depth_p, 1, at.value_t, s.tokens_p, count, s.depth, at.changes);
    for (int64_t i = 0; i < count; ++i) softmax_backward(at.weights + i * s.tokens_p, at.changes + i * s.tokens_p, s.tokens_p);
    multiply(at.weights, 1, s.tokens_p, at.outer, s.depth_p, s.tokens, count, at.value_gradient);
    multiply(at.changes, s.tokens_p, 1, at.key, s.depth_p, count, s.tokens, at.query_gradient + first * s.depth_p);
    multiply(at.changes, 1, s.tokens_p, at.query + first * s.depth_p, s.depth_p, s.tokens, count, at.key_gradient);
  }
  scaled(at.query_gradient, s.tokens * s.depth_p, 1 / std::sqrt(static_cast<float>(s.depth)));
  write<Element>(at.query_gradient, job.query_gradient, image, head, s);
  write<Element>(at.key_gradient, job.key_gradient, image, head, s);
  write<Element>(at.value_gradient, job.value_gradient, image, head, s);
}

/// The heads [begin, end) of all images, counted through.
template <typename Element>
TRIVIUM_INLINE void forward_heads(const Job& job, int64_t begin, int64_t end) {
  Scratch scratch(job.sizes);
  for (int64_t i = begin; i < end; ++i) forward_head<Element>(job, i / job.sizes.heads, i % job.sizes.heads, scratch);
}

template <typename Element>
TRIVIUM_INLINE void backward_heads(const Job& job, int64_t begin, int64_t end) {
  Scratch scratch(job.sizes);
  for (int64_t i = begin; i < end; ++i) backward_head<Element>(job, i / job.sizes.heads, i % job.sizes.heads, scratch);
}

TRIVIUM_CLONES void forward_float(const Job& job, int64_t begin, int64_t end) { forward_heads<float>(job, begin, end); }
TRIVIUM_CLONES void forward_bfloat(const Job& job, int64_t begin, int64_t end) { forward_heads<Bits>(job, begin, end); }
TRIVIUM_CLONES void backward_float(const Job& job, int64_t begin, int64_t end) { backward_heads<float>(job, begin, end); }
TRIVIUM_CLONES void backward_bfloat(const Job& job, int64_t begin, int64_t end) { backward_heads<Bits>(job, begin, end); }

int64_t up_to_lanes(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

void check(const TokenHeads& heads, const torch::Tensor& like, const char* what) {
  for (const auto& part : {heads.query, heads.key, heads.value}) {
    if (has_token_attention(heads) && part.sizes() == like.sizes() && part.scalar_type() == like.scalar_type()) continue;
    throw error(ErrorKind::Shape, "token attention: expected ", what, " [N, T, H, d] of one type, float32 or bfloat16, with a dense last axis, ",
                "but got ", part.sizes(), " of ", part.scalar_type(), " beside ", like.sizes(), " of ", like.scalar_type());
  }
}

// The kernels read through `data` where it belongs to an input.
View view_of(const torch::Tensor& tensor) { return {tensor.data_ptr(), tensor.stride(0), tensor.stride(1), tensor.stride(2)}; }

Job job_of(const TokenHeads& heads) {
  check(heads, heads.query, "heads");
  const auto& q = heads.query;
  const int64_t tokens = q.size(1), depth = q.size(3);
  Job job{};
  job.sizes = {tokens, depth, up_to_lanes(tokens), up_to_lanes(depth), q.size(2), q.size(0)};
  job.query = view_of(q);
  job.key = view_of(heads.key);
  job.value = view_of(heads.value);
  return job;
}

}  // namespace

bool has_token_attention(const TokenHeads& heads) {
  const auto type = heads.query.scalar_type();
  const auto fits = [&](const torch::Tensor& part) {
    return part.device().is_cpu() && part.dim() == 4 && part.scalar_type() == type && part.sizes() == heads.query.sizes() && part.stride(3) == 1;
  };
  return (type == at::kFloat || type == at::kBFloat16) && fits(heads.query) && fits(heads.key) && fits(heads.value);
}

torch::Tensor token_attention(const TokenHeads& heads) {
  Job job = job_of(heads);
  const auto& s = job.sizes;
  auto out = at::empty({s.images, s.tokens, s.heads, s.depth}, heads.query.options().requires_grad(false));
  job.result = view_of(out);
  const auto run = out.scalar_type() == at::kFloat ? forward_float : forward_bfloat;
  at::parallel_for(0, s.images * s.heads, 1, [&](int64_t begin, int64_t end) { run(job, begin, end); });
  return out.flatten(2);
}

void token_attention_backward(const torch::Tensor& gradient, const TokenHeads& heads, const TokenHeads& gradients) {
  Job job = job_of(heads);
  const auto& s = job.sizes;
  check(gradients, heads.query, "gradients of the heads");
  if (gradient.dim() != 3 || gradient.size(0) != s.images || gradient.size(1) != s.tokens || gradient.size(2) != s.heads * s.depth ||
      gradient.stride(2) != 1 || gradient.scalar_type() != heads.query.scalar_type()) {
    throw error(ErrorKind::Shape, "token attention: expected a gradient [", s.images, ", ", s.tokens, ", ", s.heads * s.depth,
                "] of the heads' type with a dense last axis but got ", gradient.sizes(), " of ", gradient.scalar_type());
  }
  job.result = view_of(gradient.unflatten(2, {s.heads, s.depth}));
  job.query_gradient = view_of(gradients.query);
  job.key_gradient = view_of(gradients.key);
  job.value_gradient = view_of(gradients.value);
  const auto run = gradient.scalar_type() == at::kFloat ? backward_float : backward_bfloat;
  at::parallel_for(0, s.images * s.heads, 1, [&](int64_t begin, int64_t end) { run(job, begin, end); });
}

}  // namespace trivium::kernels

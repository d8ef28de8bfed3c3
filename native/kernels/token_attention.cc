#include "kernels/token_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/attention_head.h"

namespace trivium::kernels {
namespace {

/// Of one head of one image, and how many there are of both.
struct Sizes : HeadSizes {
  int64_t heads = 0, images = 0;
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

/// One head's queries (over √d), keys and values in float32.
template <typename Element>
TRIVIUM_INLINE void gather(const Job& job, int64_t image, int64_t head, HeadScratch& at) {
  const Sizes& s = job.sizes;
  read<Element>(job.query, image, head, s, at.query);
  read<Element>(job.key, image, head, s, at.key);
  read<Element>(job.value, image, head, s, at.value);
  scaled(at.query, s.tokens * s.depth_p, 1 / std::sqrt(static_cast<float>(s.depth)));
  transpose(at.key, s.tokens, s.depth, s.depth_p, at.key_t, s.tokens_p);
}

/// The weights of the queries [first, first + count): [count, tokens_p], 0 beyond the tokens.
TRIVIUM_INLINE void attend(const Sizes& s, int64_t first, int64_t count, HeadScratch& at) {
  score(s, first, count, at);
  for (int64_t i = 0; i < count; ++i) softmax(at.weights + i * s.tokens_p, s.tokens, s.tokens_p);
}

template <typename Element>
TRIVIUM_INLINE void forward_head(const Job& job, int64_t image, int64_t head, HeadScratch& at) {
  const Sizes& s = job.sizes;
  gather<Element>(job, image, head, at);
  for (int64_t first = 0; first < s.tokens; first += kQueries) {
    const int64_t count = std::min(kQueries, s.tokens - first);
    attend(s, first, count, at);
    mix(s, count, at);
    Element* to = job.result.at<Element>(image, head) + first * job.result.token;
    for (int64_t i = 0; i < count; ++i) write_vector(at.result + i * s.depth_p, s.depth, to + i * job.result.token);
  }
}

template <typename Element>
TRIVIUM_INLINE void backward_head(const Job& job, int64_t image, int64_t head, HeadScratch& at) {
  const Sizes& s = job.sizes;
  gather<Element>(job, image, head, at);
  start_gradients(s, at);
  for (int64_t first = 0; first < s.tokens; first += kQueries) {
    const int64_t count = std::min(kQueries, s.tokens - first);
    attend(s, first, count, at);
    const Element* from = job.result.at<const Element>(image, head) + first * job.result.token;
    for (int64_t i = 0; i < count; ++i) read_vector(from + i * job.result.token, s.depth, at.outer + i * s.depth_p);
    add_gradients(s, first, count, at);
  }
  scaled(at.query_gradient, s.tokens * s.depth_p, 1 / std::sqrt(static_cast<float>(s.depth)));
  write<Element>(at.query_gradient, job.query_gradient, image, head, s);
  write<Element>(at.key_gradient, job.key_gradient, image, head, s);
  write<Element>(at.value_gradient, job.value_gradient, image, head, s);
}

/// The heads [begin, end) of all images, counted through.
template <typename Element>
TRIVIUM_INLINE void forward_heads(const Job& job, int64_t begin, int64_t end) {
  HeadScratch scratch(job.sizes);
  for (int64_t i = begin; i < end; ++i) forward_head<Element>(job, i / job.sizes.heads, i % job.sizes.heads, scratch);
}

template <typename Element>
TRIVIUM_INLINE void backward_heads(const Job& job, int64_t begin, int64_t end) {
  HeadScratch scratch(job.sizes);
  for (int64_t i = begin; i < end; ++i) backward_head<Element>(job, i / job.sizes.heads, i % job.sizes.heads, scratch);
}

TRIVIUM_CLONES void forward_float(const Job& job, int64_t begin, int64_t end) { forward_heads<float>(job, begin, end); }
TRIVIUM_CLONES void forward_bfloat(const Job& job, int64_t begin, int64_t end) { forward_heads<Bits>(job, begin, end); }
TRIVIUM_CLONES void backward_float(const Job& job, int64_t begin, int64_t end) { backward_heads<float>(job, begin, end); }
TRIVIUM_CLONES void backward_bfloat(const Job& job, int64_t begin, int64_t end) { backward_heads<Bits>(job, begin, end); }

void check(const TokenHeads& heads, const torch::Tensor& like, const char* what) {
  const bool one_kind = has_token_attention(heads);
  for (const auto& part : {heads.query, heads.key, heads.value}) {
    if (one_kind && part.sizes() == like.sizes() && part.scalar_type() == like.scalar_type()) continue;
    throw error(ErrorKind::Shape, "token attention: expected ", what, " [N, T, H, d] of one type, float32 or bfloat16, with a dense last ",
                "axis, but got ", part.sizes(), " of ", part.scalar_type(), " beside ", like.sizes(), " of ", like.scalar_type());
  }
}

// The kernels read through `data` where it belongs to an input.
View view_of(const torch::Tensor& tensor) { return {tensor.data_ptr(), tensor.stride(0), tensor.stride(1), tensor.stride(2)}; }

Job job_of(const TokenHeads& heads) {
  check(heads, heads.query, "heads");
  const auto& q = heads.query;
  Job job{};
  job.sizes = {{q.size(1), q.size(3)}, q.size(2), q.size(0)};
  job.query = view_of(q);
  job.key = view_of(heads.key);
  job.value = view_of(heads.value);
  return job;
}

}  // namespace

bool has_token_attention(const TokenHeads& heads) {
  const auto type = heads.query.scalar_type();
  const auto fits = [&](const torch::Tensor& part) {
    return part.device().is_cpu() && part.dim() == 4 && part.scalar_type() == type && part.sizes() == heads.query.sizes() &&
           part.stride(3) == 1;
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

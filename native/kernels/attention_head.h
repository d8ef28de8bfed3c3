// Attention of one head in float32, in a thread's own memory, between reading and writing tensors: what the kernels among all tokens and in
// windows have in common.
#pragma once

#include <cstring>
#include <utility>
#include <vector>

#include "kernels/vectors.h"

namespace trivium::kernels {

constexpr int64_t kQueries = 32;  // that are worked on together

/// `_p`: filled up to whole vectors.
struct HeadSizes {
  HeadSizes() = default;
  HeadSizes(int64_t tokens, int64_t depth) : tokens(tokens), depth(depth), tokens_p(up_to_lanes(tokens)), depth_p(up_to_lanes(depth)) {}

  static int64_t up_to_lanes(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

  int64_t tokens = 0, depth = 0, tokens_p = 0, depth_p = 0;
};

/// Everything that is made on the way. Rows past the tokens and columns past the depth stay zeros.
struct HeadScratch {
  explicit HeadScratch(const HeadSizes& s)
      : memory(static_cast<size_t>(8 * s.tokens_p * s.depth_p + 2 * kQueries * s.tokens_p + 2 * kQueries * s.depth_p), 0.0F) {
    float* at = memory.data();
    const auto take = [&](int64_t count) { return std::exchange(at, at + count); };
    const int64_t square = s.tokens_p * s.depth_p;
    query = take(square), key = take(square), value = take(square), key_t = take(square), value_t = take(square);
    query_gradient = take(square), key_gradient = take(square), value_gradient = take(square);
    weights = take(kQueries * s.tokens_p), changes = take(kQueries * s.tokens_p);
    result = take(kQueries * s.depth_p), outer = take(kQueries * s.depth_p);
  }
  std::vector<float> memory;
  float *query, *key, *value, *key_t, *value_t, *query_gradient, *key_gradient, *value_gradient;  // [tokens_p, depth_p], _t the other way
  float *weights, *changes;                                                                       // [kQueries, tokens_p]
  float *result, *outer;                                                                          // [kQueries, depth_p]
};

TRIVIUM_INLINE void zero(float* values, int64_t count) { std::memset(values, 0, sizeof(float) * static_cast<size_t>(count)); }

/// q kᵀ of the queries [first, first + count) into `weights` [count, tokens_p].
TRIVIUM_INLINE void score(const HeadSizes& s, int64_t first, int64_t count, HeadScratch& at) {
  zero(at.weights, count * s.tokens_p);
  multiply(at.query + first * s.depth_p, s.depth_p, 1, at.key_t, s.tokens_p, count, s.depth, at.weights);
}

/// The mixtures of the values by `weights` into `result` [count, depth_p].
TRIVIUM_INLINE void mix(const HeadSizes& s, int64_t count, HeadScratch& at) {
  zero(at.result, count * s.depth_p);
  multiply(at.weights, s.tokens_p, 1, at.value, s.depth_p, count, s.tokens, at.result);
}

/// Before the backward passes of a head's queries.
TRIVIUM_INLINE void start_gradients(const HeadSizes& s, HeadScratch& at) {
  transpose(at.value, s.tokens, s.depth, s.depth_p, at.value_t, s.tokens_p);
  for (float* sums : {at.query_gradient, at.key_gradient, at.value_gradient}) zero(sums, s.tokens * s.depth_p);
}

/// From `outer` [count, depth_p], the gradient of the mixtures of the queries [first, first + count): that of their scores, into `changes`
/// [count, tokens_p], and what they add to those of queries, keys and values.
TRIVIUM_INLINE void add_gradients(const HeadSizes& s, int64_t first, int64_t count, HeadScratch& at) {
  zero(at.changes, count * s.tokens_p);
  multiply(at.outer, s.depth_p, 1, at.value_t, s.tokens_p, count, s.depth, at.changes);
  for (int64_t i = 0; i < count; ++i) softmax_backward(at.weights + i * s.tokens_p, at.changes + i * s.tokens_p, s.tokens_p);
  multiply(at.weights, 1, s.tokens_p, at.outer, s.depth_p, s.tokens, count, at.value_gradient);
  multiply(at.changes, s.tokens_p, 1, at.key, s.depth_p, count, s.tokens, at.query_gradient + first * s.depth_p);
  multiply(at.changes, 1, s.tokens_p, at.query + first * s.depth_p, s.depth_p, s.tokens, count, at.key_gradient);
}

}  // namespace trivium::kernels

// Small matrices of float32 in a thread's own memory, for kernels that work on them between reading and writing tensors.
#pragma once

#include "kernels/lanes.h"

namespace trivium::kernels {

/// C [rows, 16 · columns] += A · B. Element (i, k) of A lies at a[i · row_step + k · step], row k of B at b[k · width].
template <int rows, int columns>
TRIVIUM_INLINE void multiply_tile(const float* a, int64_t row_step, int64_t step, const float* b, int64_t width, int64_t length, float* c) {
  Floats sum[rows][columns], value[columns];
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < columns; ++j) load(c + i * width + j * kLanes, sum[i][j]);
  }
  for (int64_t k = 0; k < length; ++k) {
#pragma GCC unroll 4
    for (int j = 0; j < columns; ++j) load(b + k * width + j * kLanes, value[j]);
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      const float factor = a[i * row_step + k * step];
#pragma GCC unroll 4
      for (int j = 0; j < columns; ++j) sum[i][j] += factor * value[j];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < columns; ++j) store(sum[i][j], c + i * width + j * kLanes);
  }
}

/// The same for `rows`, a multiple of 8, and `width`, a multiple of 16: B [length, width], C [rows, width].
TRIVIUM_INLINE void multiply(const float* a, int64_t row_step, int64_t step, const float* b, int64_t width, int64_t rows, int64_t length,
                             float* c) {
  for (int64_t i = 0; i < rows; i += 8) {
    int64_t j = 0;
    for (; j + 2 * kLanes <= width; j += 2 * kLanes) {
      multiply_tile<8, 2>(a + i * row_step, row_step, step, b + j, width, length, c + i * width + j);
    }
    if (j < width) multiply_tile<8, 1>(a + i * row_step, row_step, step, b + j, width, length, c + i * width + j);
  }
}

/// depth values as float32; `to` beyond them stays.
template <typename Element>
TRIVIUM_INLINE void read_vector(const Element* from, int64_t depth, float* to) {
  int64_t i = 0;
  for (; i + kLanes <= depth; i += kLanes) {
    Floats value;
    load(from + i, value);
    store(value, to + i);
  }
  for (; i < depth; ++i) to[i] = widen(from[i]);
}

template <typename Element>
TRIVIUM_INLINE void write_vector(const float* from, int64_t depth, Element* to) {
  int64_t i = 0;
  for (; i + kLanes <= depth; i += kLanes) {
    Floats value;
    load(from + i, value);
    store(value, to + i);
  }
  for (; i < depth; ++i) narrow(from[i], to[i]);
}

/// `width` is a multiple of 16 here and below.
TRIVIUM_INLINE float product(const float* a, const float* b, int64_t width) {
  Floats sum{}, x, y;
  for (int64_t i = 0; i < width; i += kLanes) {
    load(a + i, x);
    load(b + i, y);
    sum += x * y;
  }
  return sum_of(sum);
}

TRIVIUM_INLINE void scaled(float* vector, int64_t width, float factor) {
  for (int64_t i = 0; i < width; i += kLanes) {
    Floats value;
    load(vector + i, value);
    store(value * factor, vector + i);
  }
}

}  // namespace trivium::kernels

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

/// Rows [i, i + count) of the same, all of its columns.
template <int count>
TRIVIUM_INLINE void multiply_rows(const float* a, int64_t row_step, int64_t step, const float* b, int64_t width, int64_t i, int64_t length,
                                  float* c) {
  int64_t j = 0;
  for (; j + 2 * kLanes <= width; j += 2 * kLanes) {
    multiply_tile<count, 2>(a + i * row_step, row_step, step, b + j, width, length, c + i * width + j);
  }
  if (j < width) multiply_tile<count, 1>(a + i * row_step, row_step, step, b + j, width, length, c + i * width + j);
}

/// The same for any number of rows and for `width`, a multiple of 16: B [length, width], C [rows, width].
TRIVIUM_INLINE void multiply(const float* a, int64_t row_step, int64_t step, const float* b, int64_t width, int64_t rows, int64_t length,
                             float* c) {
  int64_t i = 0;
  for (; i + 8 <= rows; i += 8) multiply_rows<8>(a, row_step, step, b, width, i, length, c);
  if ((rows & 4) != 0) {
    multiply_rows<4>(a, row_step, step, b, width, i, length, c);
    i += 4;
  }
  if ((rows & 2) != 0) {
    multiply_rows<2>(a, row_step, step, b, width, i, length, c);
    i += 2;
  }
  if ((rows & 1) != 0) multiply_rows<1>(a, row_step, step, b, width, i, length, c);
}

/// [rows, columns] with rows `width` apart → [columns, rows] with rows `to_width` apart.
TRIVIUM_INLINE void transpose(const float* from, int64_t rows, int64_t columns, int64_t width, float* to, int64_t to_width) {
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t i = 0; i < columns; ++i) to[i * to_width + t] = from[t * width + i];
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

/// Softmax of the first `length` of a row in place; 0 from there to `width`.
TRIVIUM_INLINE void softmax(float* row, int64_t length, int64_t width) {
  Floats highest = Floats{} - 1e30F, value, result, total{};
  for (int64_t j = length; j < width; ++j) row[j] = -1e30F;
  for (int64_t j = 0; j < width; j += kLanes) {
    load(row + j, value);
    highest = value > highest ? value : highest;
  }
  float top = highest[0];
  for (int k = 1; k < kLanes; ++k) top = highest[k] > top ? highest[k] : top;
  for (int64_t j = 0; j < width; j += kLanes) {
    load(row + j, value);
    exponential(value - top, result);
    total += result;
    store(result, row + j);
  }
  scaled(row, width, 1 / sum_of(total));
}

/// The gradient of softmax's argument from `weights`, its result, and `gradient`, that of the result, in the place of the latter.
TRIVIUM_INLINE void softmax_backward(const float* weights, float* gradient, int64_t width) {
  const float mean = product(weights, gradient, width);
  for (int64_t j = 0; j < width; j += kLanes) {
    Floats p, g;
    load(weights + j, p);
    load(gradient + j, g);
    store(p * (g - mean), gradient + j);
  }
}

}  // namespace trivium::kernels

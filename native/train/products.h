// Matrix products of one thread, row-major, for the tasks of a training step: oneDNN's block
// kernels where AVX-512 is there, MKL elsewhere and for float64, by the rule of linear.h.
#pragma once

#include <cstdint>

namespace simgpt {

// A matrix by its first number and the distance of its rows.
template <typename T>
struct MatrixView {
  T* data;
  int64_t stride;
};

// C [m, n] = A [m, k] B [k, n]; `adds`: C += instead. T float or double.
template <typename T>
void multiply(int64_t m, int64_t n, int64_t k, MatrixView<const T> a, MatrixView<const T> b,
              MatrixView<T> c, bool adds = false);

// C [m, n] += A^T B, A [k, m], B [k, n]
template <typename T>
void add_transposed_product(int64_t m, int64_t n, int64_t k, MatrixView<const T> a,
                            MatrixView<const T> b, MatrixView<T> c);

// target [columns, rows] = source [rows, columns] transposed
template <typename T>
void transpose(int64_t rows, int64_t columns, MatrixView<const T> source, MatrixView<T> target);

}  // namespace simgpt

#include "train/products.h"

#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <vector>

#include "encoder/linear.h"

extern "C" {
void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*,
            const float*, const int*, const float*, const int*, const float*, float*, const int*);
void dgemm_(const char*, const char*, const int*, const int*, const int*, const double*,
            const double*, const int*, const double*, const int*, const double*, double*,
            const int*);
}

namespace simgpt {
namespace {

// 64 x 64 tiles of C over 512 of the depth: A and B of a tile (256 KB) stay in the second cache.
// A kernel is generated per shape, so shapes are few: what a number of rows leaves over is taken in
// powers of two.
constexpr int64_t kTile = 64;
constexpr int64_t kDepth = 512;

bool has_block_kernels() {
#if defined(CPUBLAS_BRGEMM_F32F32F32)
  static const bool has = cpu_linear_kernel(at::kFloat) == LinearKernel::kOneDnn;
  return has;
#else
  return false;
#endif
}

// How many of `left` rows to take next.
int64_t next_rows(int64_t left, int64_t most) {
  while (most > left) most /= 2;
  return most;
}

void multiply_tile(int64_t m, int64_t n, int64_t k, MatrixView<const float> a,
                   MatrixView<const float> b, MatrixView<float> c, bool adds) {
#if defined(CPUBLAS_BRGEMM_F32F32F32)
  for (int64_t done = 0; done < k;) {
    const int64_t piece = std::min(kDepth, k - done);
    at::native::cpublas::brgemm(m, n, piece, a.stride, b.stride, c.stride, adds || done > 0,
                                a.data + done, b.data + done * b.stride, c.data,
                                /*is_vnni=*/false);
    done += piece;
  }
#endif
}

// Column-major BLAS computes C^T = B^T A^T.
void blas(char transpose_a, int64_t m, int64_t n, int64_t k, MatrixView<const float> a,
          MatrixView<const float> b, MatrixView<float> c, bool adds) {
  const float one = 1, beta = adds ? 1 : 0;
  const int rows = static_cast<int>(m), columns = static_cast<int>(n), depth = static_cast<int>(k);
  const int lda = static_cast<int>(a.stride), ldb = static_cast<int>(b.stride),
            ldc = static_cast<int>(c.stride);
  sgemm_("N", &transpose_a, &columns, &rows, &depth, &one, b.data, &ldb, a.data, &lda, &beta,
         c.data, &ldc);
}
void blas(char transpose_a, int64_t m, int64_t n, int64_t k, MatrixView<const double> a,
          MatrixView<const double> b, MatrixView<double> c, bool adds) {
  const double one = 1, beta = adds ? 1 : 0;
  const int rows = static_cast<int>(m), columns = static_cast<int>(n), depth = static_cast<int>(k);
  const int lda = static_cast<int>(a.stride), ldb = static_cast<int>(b.stride),
            ldc = static_cast<int>(c.stride);
  dgemm_("N", &transpose_a, &columns, &rows, &depth, &one, b.data, &ldb, a.data, &lda, &beta,
         c.data, &ldc);
}

}  // namespace

template <typename T>
void transpose(int64_t rows, int64_t columns, MatrixView<const T> source, MatrixView<T> target) {
  constexpr int64_t kBlock = 16;  // a cache line of either side
  for (int64_t r = 0; r < rows; r += kBlock) {
    const int64_t r_end = std::min(r + kBlock, rows);
    for (int64_t c = 0; c < columns; c += kBlock) {
      const int64_t c_end = std::min(c + kBlock, columns);
      for (int64_t j = c; j < c_end; ++j) {
        for (int64_t i = r; i < r_end; ++i) {
          target.data[j * target.stride + i] = source.data[i * source.stride + j];
        }
      }
    }
  }
}

template <>
void multiply(int64_t m, int64_t n, int64_t k, MatrixView<const float> a, MatrixView<const float> b,
              MatrixView<float> c, bool adds) {
  if (m == 0 || n == 0) return;
  if (!has_block_kernels()) return blas('N', m, n, k, a, b, c, adds);
  for (int64_t column = 0; column < n; column += kTile) {
    const int64_t width = std::min(kTile, n - column);
    for (int64_t row = 0, height = 0; row < m; row += height) {
      height = next_rows(m - row, kTile);
      multiply_tile(height, width, k, {a.data + row * a.stride, a.stride},
                    {b.data + column, b.stride}, {c.data + row * c.stride + column, c.stride},
                    adds);
    }
  }
}

template <>
void multiply(int64_t m, int64_t n, int64_t k, MatrixView<const double> a,
              MatrixView<const double> b, MatrixView<double> c, bool adds) {
  if (m > 0 && n > 0) blas('N', m, n, k, a, b, c, adds);
}

template <>
void add_transposed_product(int64_t m, int64_t n, int64_t k, MatrixView<const float> a,
                            MatrixView<const float> b, MatrixView<float> c) {
  if (!has_block_kernels()) return blas('T', m, n, k, a, b, c, /*adds=*/true);
  thread_local std::vector<float> packed;
  packed.resize(kTile * kDepth);
  for (int64_t row = 0; row < m; row += kTile) {
    const int64_t height = std::min(kTile, m - row);
    for (int64_t depth = 0, piece = 0; depth < k; depth += piece) {
      piece = next_rows(k - depth, kDepth);
      transpose<float>(piece, height, {a.data + depth * a.stride + row, a.stride},
                       {packed.data(), kDepth});
      multiply<float>(height, n, piece, {packed.data(), kDepth},
                      {b.data + depth * b.stride, b.stride}, {c.data + row * c.stride, c.stride},
                      /*adds=*/true);
    }
  }
}

template <>
void add_transposed_product(int64_t m, int64_t n, int64_t k, MatrixView<const double> a,
                            MatrixView<const double> b, MatrixView<double> c) {
  if (m > 0 && n > 0 && k > 0) blas('T', m, n, k, a, b, c, /*adds=*/true);
}

template void transpose(int64_t, int64_t, MatrixView<const float>, MatrixView<float>);
template void transpose(int64_t, int64_t, MatrixView<const double>, MatrixView<double>);

}  // namespace simgpt

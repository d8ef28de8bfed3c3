#include "nn/blocks/drop_path.h"

#include <ATen/ops/empty.h>

#include "core/error.h"

namespace trivium::nn {

DropPath::DropPath(double probability) : probability_(probability) {
  if (!(probability >= 0 && probability < 1)) {
    throw error(ErrorKind::Config, "drop path: expected a probability of at least 0 and below 1 but got ", probability);
  }
}

torch::Tensor DropPath::forward(const torch::Tensor& branch) {
  if (probability_ == 0 || !is_training()) return branch;
  const double keep = 1 - probability_;
  std::vector<int64_t> shape(static_cast<size_t>(branch.dim()), 1);
  shape[0] = branch.size(0);
  return branch * at::empty(shape, branch.options().requires_grad(false)).bernoulli_(keep).div_(keep);
}

std::vector<double> drop_path_schedule(const Options& options, int64_t depth) {
  const double last = options.number("drop_path_rate", 0);
  if (!(last >= 0 && last < 1)) {
    throw error(ErrorKind::Config, options.owner(), ": expected a drop_path_rate of at least 0 and below 1 but got ", last);
  }
  std::vector<double> rates(static_cast<size_t>(depth), 0);
  for (int64_t i = 1; i < depth; ++i) rates[static_cast<size_t>(i)] = last * static_cast<double>(i) / static_cast<double>(depth - 1);
  return rates;
}

}  // namespace trivium::nn

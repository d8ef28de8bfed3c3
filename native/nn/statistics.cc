#include "nn/statistics.h"

#include <torch/nn/modules/batchnorm.h>

#include <functional>

#include "core/error.h"
#include "nn/freeze.h"

namespace trivium::nn {
namespace {

using BatchNorm = torch::nn::BatchNorm2dImpl;

void for_each_batch_norm(torch::nn::Module& module, const torch::nn::Module& live,
                         const std::function<void(BatchNorm& norm, const BatchNorm& twin)>& visit) {
  const auto own = module.modules(/*include_self=*/false), others = live.modules(/*include_self=*/false);
  if (own.size() != others.size()) {
    throw error(ErrorKind::Shape, "batch statistics: expected two networks of the same make but got ", own.size(), " and ", others.size(),
                " parts");
  }
  for (size_t i = 0; i < own.size(); ++i) {
    auto* norm = own[i]->as<torch::nn::BatchNorm2d>();
    const auto* twin = others[i]->as<torch::nn::BatchNorm2d>();
    if (norm != nullptr && twin != nullptr && !is_frozen_batch_norm(*twin)) visit(*norm, *twin);
  }
}

}  // namespace

int64_t begin_statistics(torch::nn::Module& module, const torch::nn::Module& live) {
  module.eval();
  int64_t count = 0;
  for_each_batch_norm(module, live, [&](BatchNorm& norm, const BatchNorm&) {
    norm.reset_running_stats();
    norm.options.momentum(std::nullopt);  // the mean over all batches since
    norm.train();
    ++count;
  });
  return count;
}

void end_statistics(torch::nn::Module& module, const torch::nn::Module& live) {
  for_each_batch_norm(module, live, [](BatchNorm& norm, const BatchNorm& twin) { norm.options.momentum(twin.options.momentum()); });
  module.eval();
}

}  // namespace trivium::nn

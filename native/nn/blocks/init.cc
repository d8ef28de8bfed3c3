#include "nn/blocks/init.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <mutex>

#include "core/error.h"

namespace trivium::nn {

void kaiming_fan_out_(torch::Tensor weight) {
  at::NoGradGuard no_grad;
  const auto fan_out = static_cast<double>(weight.numel() / weight.size(1));
  weight.normal_(0.0, std::sqrt(2.0 / fan_out));
}

void truncated_normal_(torch::Tensor weight, double std) {
  at::NoGradGuard no_grad;
  const double bound = std::erf(2.0 / (std * std::sqrt(2.0)));  // Φ(2/std) − Φ(−2/std)
  // 1 − 2⁻²⁴ at most: erfinv(±1) is infinite, and the clamp below would turn it into ±2, a hundred standard deviations away.
  const double limit = std::min(bound, 1.0 - 0x1p-24);
  weight.uniform_(-limit, limit).erfinv_().mul_(std * std::sqrt(2.0)).clamp_(-2.0, 2.0);
}

namespace {

std::mutex& construction() {
  static std::mutex* mutex = new std::mutex();  // never destroyed: worker threads may outlive static destructors
  return *mutex;
}

}  // namespace

InitSeed::InitSeed(const Options& options) : alone_(construction()) {
  if (!options.has("seed")) return;
  const int64_t seed = options.integer("seed");
  if (seed < 0) throw error(ErrorKind::Config, options.owner(), ": expected a seed of at least 0 but got ", seed);
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  saved_ = generator.get_state();
  generator.set_current_seed(static_cast<uint64_t>(seed));
}

InitSeed::~InitSeed() {
  if (!saved_.defined()) return;
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(saved_);
}

}  // namespace trivium::nn

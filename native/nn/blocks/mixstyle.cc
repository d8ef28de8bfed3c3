#include "nn/blocks/mixstyle.h"

#include <ATen/ops/_sample_dirichlet.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/var.h>

#include "core/error.h"
#include "nn/blocks/precision.h"

namespace trivium::nn {
namespace {

constexpr double kEps = 1e-6;

}  // namespace

torch::Tensor mix_styles(const torch::Tensor& map, const torch::Tensor& lambda, const torch::Tensor& order, at::IntArrayRef positions) {
  const auto wide = widen(map.detach());
  int64_t count = 1;
  for (const int64_t axis : positions) count *= map.size(axis);
  const auto mean = wide.mean(positions, /*keepdim=*/true);
  const auto deviation = (at::var(wide, positions, /*correction=*/count > 1 ? 1 : 0, /*keepdim=*/true) + kEps).sqrt();
  const auto mixed = [&](const torch::Tensor& own) { return lambda * own + (1 - lambda) * own.index_select(0, order); };
  // (x − mean) / deviation · mixed deviation + mixed mean, as one multiplication and one addition for each element.
  const auto scale = mixed(deviation) / deviation;
  const auto shift = mixed(mean) - mean * scale;
  return at::addcmul(shift.to(map.scalar_type()), map, scale.to(map.scalar_type()));
}

MixStyle::MixStyle(double probability, double alpha) : probability_(probability), alpha_(alpha) {
  if (!(probability >= 0 && probability <= 1)) {
    throw error(ErrorKind::Config, "MixStyle: expected a probability mixstyle_p between 0 and 1 but got ", probability);
  }
  if (!(alpha > 0)) throw error(ErrorKind::Config, "MixStyle: expected mixstyle_alpha above 0 but got ", alpha);
}

torch::Tensor MixStyle::mix(const torch::Tensor& map, at::IntArrayRef positions) {
  if (!is_training() || at::rand({1}).item<double>() >= probability_) return map;
  const int64_t count = map.size(0);
  // Beta(α, α) is the first coordinate of Dirichlet(α, α). Drawn on the CPU, in double: α of 0.1 underflows float32.
  const auto drawn = at::_sample_dirichlet(at::full({count, 2}, alpha_, at::kDouble)).select(1, 0);
  std::vector<int64_t> shape(static_cast<size_t>(map.dim()), 1);
  shape[0] = count;
  const auto type = map.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto lambda = drawn.to(map.device(), type).view(shape);
  const auto order = at::randperm(count, at::kLong).to(map.device());
  return mix_styles(map, lambda, order, positions);
}

torch::Tensor MixStyle::mix_tokens(const torch::Tensor& tokens, int64_t prefix) {
  if (!is_training()) return tokens;
  if (prefix == 0) return mix(tokens, {1});
  return at::cat({tokens.slice(1, 0, prefix), mix(tokens.slice(1, prefix), {1})}, 1);
}

std::shared_ptr<MixStyle> read_mixstyle(const Options& options) {
  const bool on = options.boolean("use_mixstyle", false);
  const double probability = options.number("mixstyle_p", 0.5), alpha = options.number("mixstyle_alpha", 0.1);
  if (on) return std::make_shared<MixStyle>(probability, alpha);
  for (const auto* key : {"mixstyle_p", "mixstyle_alpha"}) {
    if (!options.has(key)) continue;
    throw error(ErrorKind::Config, options.owner(), ": ", key, " is set but use_mixstyle is not; set both or neither");
  }
  return nullptr;
}

}  // namespace trivium::nn

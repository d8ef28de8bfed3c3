#include "nn/blocks/token_merging.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/max.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sort.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "nn/blocks/precision.h"

namespace trivium::nn {
namespace {

/// The tokens of the first set (odd places among the image's) and of the second (even places), of [N, T, C].
torch::Tensor first_set(const torch::Tensor& rows) { return rows.slice(1, 1, rows.size(1), 2); }
torch::Tensor second_set(const torch::Tensor& rows) { return rows.slice(1, 0, rows.size(1), 2); }

/// Rows of [N, A, C] at index [N, K]: [N, K, C].
torch::Tensor rows_at(const torch::Tensor& rows, const torch::Tensor& index) {
  return rows.gather(1, index.unsqueeze(2).expand({-1, -1, rows.size(2)}));
}

struct Matching {
  torch::Tensor kept;    // [N, a − r] tokens of the first set that stay, ascending
  torch::Tensor merged;  // [N, r] those that do not
  torch::Tensor target;  // [N, a] each one's match in the second set
};

Matching match(const torch::Tensor& keys, int64_t r) {
  at::NoGradGuard no_grad;
  const FullPrecision full;
  const auto wide = widen(keys);
  const auto unit = wide / at::linalg_vector_norm(wide, 2, at::IntArrayRef{2}, /*keepdim=*/true).clamp_min(1e-12);
  const auto similarity = at::matmul(first_set(unit), second_set(unit).transpose(1, 2));  // [N, a, b]
  const auto [best, target] = at::max(similarity, 2);
  const auto order = std::get<1>(at::sort(best, /*stable=*/true, /*dim=*/1, /*descending=*/true));
  return {std::get<0>(at::sort(order.slice(1, r), 1)), order.slice(1, 0, r), target};
}

/// Sums of [N, T, C] over what becomes one token: [N, T − r, C].
torch::Tensor summed(const torch::Tensor& rows, const Matching& matching) {
  const auto first = first_set(rows), second = second_set(rows);
  const auto to = matching.target.gather(1, matching.merged);  // [N, r]
  const auto sums = second.scatter_add(1, to.unsqueeze(2).expand({-1, -1, rows.size(2)}), rows_at(first, matching.merged));
  return at::cat({rows_at(first, matching.kept), sums}, 1);
}

/// Where each of the T tokens went: [N, T].
torch::Tensor destinations(const Matching& matching, int64_t count) {
  const int64_t kept = matching.kept.size(1), first = matching.target.size(1);
  const auto device = matching.target.device();
  std::vector<int64_t> ranks(kept), seconds(count - first), order(count);
  std::iota(ranks.begin(), ranks.end(), 0);
  std::iota(seconds.begin(), seconds.end(), kept);
  for (int64_t i = 0; i < count; ++i) order[i] = i % 2 == 1 ? i / 2 : first + i / 2;  // the sets, interleaved again
  const auto of_first = (matching.target + kept).scatter(1, matching.kept, torch::tensor(ranks).to(device).expand_as(matching.kept));
  // Zero times an index: one row for each item of the batch, without asking for its size.
  const auto of_second = matching.target.slice(1, 0, 1) * 0 + torch::tensor(seconds).to(device);
  return at::cat({of_first, of_second}, 1).index_select(1, torch::tensor(order).to(device));
}

}  // namespace

std::vector<int64_t> merging_schedule(int64_t blocks, double r, double inflection) {
  const double low = r * (1.0 + inflection), high = 2.0 * r - low;
  std::vector<int64_t> schedule;
  for (int64_t i = 0; i < blocks; ++i) {
    const double step = blocks > 1 ? static_cast<double>(i) / static_cast<double>(blocks - 1) : 0.5;
    schedule.push_back(static_cast<int64_t>(high + (low - high) * step));
  }
  return schedule;
}

int64_t merged_per_block(double ratio, int64_t patches, int64_t blocks) {
  return std::llround(ratio * static_cast<double>(patches) / static_cast<double>(std::max<int64_t>(blocks, 1)));
}

torch::Tensor merge_tokens(const torch::Tensor& tokens, const torch::Tensor& keys, int64_t r, TokenState& state) {
  const int64_t count = tokens.size(1) - state.prefix;
  r = std::min(r, count / 2);
  if (r <= 0) return tokens;
  const auto matching = match(keys.slice(1, state.prefix), r);
  const auto image = tokens.slice(1, state.prefix);  // [N, T, D]
  const auto sizes = state.sizes.defined() ? state.sizes : at::ones_like(keys.slice(1, state.prefix).slice(2, 0, 1), torch::kFloat);
  torch::Tensor weight;
  {
    at::NoGradGuard no_grad;
    weight = summed(sizes, matching);
    if (state.positions.defined()) state.positions = summed(state.positions * sizes, matching) / weight;
    const auto to = destinations(matching, count);
    state.origin = state.origin.defined() ? to.gather(1, state.origin) : to;
    state.sizes = weight;
  }
  const auto merged = (summed(widen(image) * sizes, matching) / weight).to(tokens.scalar_type());
  return state.prefix > 0 ? at::cat({tokens.slice(1, 0, state.prefix), merged}, 1) : merged;
}

torch::Tensor unmerge_tokens(const torch::Tensor& tokens, const TokenState& state) {
  if (!state.origin.defined()) return tokens;
  const auto image = rows_at(tokens.slice(1, state.prefix), state.origin);
  return state.prefix > 0 ? at::cat({tokens.slice(1, 0, state.prefix), image}, 1) : image;
}

}  // namespace trivium::nn

// Token merging (ToMe), Bolya et al. 2022, "Token merging: your ViT but faster", arXiv 2210.09461, section 3.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "nn/blocks/tokens.h"

namespace trivium::nn {

/// r of every block for a mean of `r`: constant at inflection 0, falling linearly from 2r to 0 at −1, rising from 0 to 2r at 1 (section 3,
/// "merging schedule"). Fractions are cut off.
std::vector<int64_t> merging_schedule(int64_t blocks, double r, double inflection);

/// r for token_merging_ratio: the share of an image's `patches` that `blocks` blocks merge away together, in equal parts, rounded.
int64_t merged_per_block(double ratio, int64_t patches, int64_t blocks);

/// Merges r of the T image tokens of [N, P + T, D] into others, and returns [N, P + T − r, D]; r is cut to ⌊T / 2⌋, and 0 leaves all as it is.
///
/// Odd and even tokens form two sets. Every token of the first set is matched to the most similar one of the second (cosine of `keys`,
/// [N, P + T, d]), and the r best matched become one with their match: the mean weighted by how many patches each stands for. What is left
/// of the first set comes first, in its order, then the second. Sizes, positions (weighted means too) and origins in `state` follow; a
/// rotation has to be computed anew. The matching takes no gradient, the means do. The prefix is never matched.
torch::Tensor merge_tokens(const torch::Tensor& tokens, const torch::Tensor& keys, int64_t r, TokenState& state);

/// [N, P + T, D] → [N, P + patches, D]: every patch gets the token that it was merged into. Unchanged when nothing was merged.
torch::Tensor unmerge_tokens(const torch::Tensor& tokens, const TokenState& state);

}  // namespace trivium::nn

// Gradient checkpointing, Chen et al. 2016, "Training deep nets with sublinear memory cost", arXiv 1604.06174: a part of the network keeps
// only its input, and is run once more in the backward pass.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <functional>
#include <memory>

#include "nn/module.h"

namespace trivium::nn {

/// f(x). With `on`, and while gradients are recorded, what f computes on its way is not kept: the backward pass runs f on x again, with
/// the random numbers and the autocast of the first pass, so that values, dropout draws and gradients are the same. x is one tensor of any
/// shape; f may read others that need no gradient, but gradients flow to x and to parameters only.
///
/// `owner` is the module whose parameters f uses. It lives as long as the graph, it keeps the buffers (batch-norm statistics) of the first
/// pass, and nothing is run again when neither x nor any of its parameters takes a gradient. Without an owner whatever f refers to must
/// outlive the backward pass. Gradients of gradients are refused (ConfigError).
torch::Tensor checkpointed(bool on, const std::function<torch::Tensor(const torch::Tensor&)>& f, const torch::Tensor& x,
                           const std::shared_ptr<torch::nn::Module>& owner = nullptr);

/// link->forward(x), checkpointed.
torch::Tensor checkpointed(bool on, const std::shared_ptr<Module>& link, const torch::Tensor& x);

}  // namespace trivium::nn

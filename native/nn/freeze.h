// Training a part of a network.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nn/module.h"

namespace trivium::nn {

struct FreezeOptions {
  std::optional<int64_t> stages;      // the first of Backbone::stages()
  std::vector<std::string> patterns;  // what `covers` means by them
};

/// Stops the training of the first `stages`, of what `patterns` cover, or without either of everything but the classifier. Frozen batch
/// norms keep their statistics (set_training).
///
/// @returns the names of the parameters that were trainable and no longer are, for `set_trainable`
/// @throws ConfigError when there are fewer stages, or a pattern covers nothing
std::vector<std::string> freeze(Backbone& backbone, const FreezeOptions& options);

/// @throws ConfigError for a name that is no parameter of `module`
void set_trainable(torch::nn::Module& module, const std::vector<std::string>& names, bool trainable);

/// module.train(on), but for batch norms whose parameters are all frozen: they stay in evaluation mode, and so their statistics stay too.
void set_training(torch::nn::Module& module, bool on);

/// Whether it is a batch norm that has parameters, all of them frozen.
bool is_frozen_batch_norm(const torch::nn::Module& module);

/// Whether the tensor belongs to one of Backbone::stages(): the network without its classifier.
bool in_stages(const Backbone& backbone, const std::string& name);

}  // namespace trivium::nn

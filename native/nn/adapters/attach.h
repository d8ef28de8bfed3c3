// Adapters in a whole network: which linear layers get one, and what becomes of them.
#pragma once

#include <string>
#include <vector>

#include "core/options.h"
#include "nn/module.h"

namespace trivium::nn {

/// Options: lora_rank (0: no LoRA), lora_alpha (default lora_rank), lora_dropout (default 0), use_ia3 (default false). `lora_targets` are
/// patterns (patterns.h) on the names of linear layers; without any: those of the attention, or of the MLPs in a network that has no
/// attention. The classifier is never adapted. What is left of the network is frozen, but for the classifier and blocks that published weights do
/// not know (AddedBlock).
///
/// @throws ConfigError when the network has no layer of the kind, a pattern names none, or it has adapters already; nothing is changed then
void attach_adapters(Backbone& backbone, const Options& options, const std::vector<std::string>& lora_targets = {});

/// Adapters are attached to some layer, merged or not.
bool has_adapters(torch::nn::Module& module);

/// The names of the adapters' parameters, in the order of named_parameters; none while they are merged.
std::vector<std::string> adapter_names(torch::nn::Module& module);

/// Linear::merge_adapters of every layer. @returns how many layers were merged by this call
int64_t merge_adapters(torch::nn::Module& module);

/// Linear::unmerge_adapters of every layer. @throws SnapshotError when a merged weight was overwritten and an IA3 scale in it is zero, so
/// that it cannot be divided out; nothing is changed then
void unmerge_adapters(torch::nn::Module& module);

/// Forgets the adapters, merged or not: the plain network, all of it trainable.
void unload_adapters(Backbone& backbone);

}  // namespace trivium::nn

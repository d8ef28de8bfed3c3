#include "nn/freeze.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/suggest.h"
#include "nn/patterns.h"

namespace trivium::nn {
namespace {

bool in_parts(const std::vector<std::vector<std::string>>& parts, size_t count, const std::string& name) {
  return std::any_of(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(count), [&](const auto& prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& prefix) { return is_under(prefix, name); });
  });
}

/// The names that a pattern is likely to have meant: the parts of parameters' names that are no numbers.
std::vector<std::string> known_parts(const torch::nn::Module& module) {
  std::set<std::string> parts;
  for (const auto& entry : module.named_parameters()) {
    for (const auto& part : name_parts(entry.key())) {
      if (part.find_first_not_of("0123456789") != std::string::npos) parts.insert(part);
    }
  }
  return {parts.begin(), parts.end()};
}

void expect_covering(const std::string& pattern, const torch::nn::Module& module) {
  const auto parameters = module.named_parameters();
  if (std::any_of(parameters.begin(), parameters.end(), [&](const auto& entry) { return covers(pattern, entry.key()); })) return;
  const auto near = near_names(pattern, known_parts(module), 1);
  std::set<std::string> top;
  for (const auto& entry : parameters) top.insert(name_parts(entry.key()).front());
  throw error(ErrorKind::Config, "freeze.patterns: \"", pattern, "\" covers no parameter of this network. ",
              near.empty() ? "" : "Did you mean \"" + near.front() + "\"? ", "Its parts: ", join({top.begin(), top.end()}),
              ". A pattern names whole parts of a dotted name, such as \"blocks.0\", \"norm1\" or \"blocks.*.attn\".");
}

}  // namespace

bool is_frozen_batch_norm(const torch::nn::Module& module) {
  const auto buffers = module.named_buffers(/*recurse=*/false);
  const auto parameters = module.parameters(/*recurse=*/false);
  return buffers.contains("running_mean") && !parameters.empty() &&
         std::none_of(parameters.begin(), parameters.end(), [](const auto& parameter) { return parameter.requires_grad(); });
}

bool in_stages(const Backbone& backbone, const std::string& name) {
  const auto parts = backbone.stages();
  return in_parts(parts, parts.size(), name);
}

std::vector<std::string> freeze(Backbone& backbone, const FreezeOptions& options) {
  const bool whole = !options.stages && options.patterns.empty();
  const auto stages = backbone.stages();
  const auto count = whole ? stages.size() : static_cast<size_t>(std::max<int64_t>(0, options.stages.value_or(0)));
  if (options.stages.value_or(0) < 0 || count > stages.size()) {
    throw error(ErrorKind::Config, "freeze.stages: expected 0 to ", stages.size(), ", the stages of this network, but got ",
                options.stages.value_or(0));
  }
  for (const auto& pattern : options.patterns) expect_covering(pattern, backbone);
  std::vector<std::string> frozen;
  for (auto& entry : backbone.named_parameters()) {
    const auto& name = entry.key();
    const bool wanted = in_parts(stages, count, name) || std::any_of(options.patterns.begin(), options.patterns.end(),
                                                                    [&](const auto& pattern) { return covers(pattern, name); });
    if (wanted && entry.value().requires_grad()) frozen.push_back(name);
  }
  set_trainable(backbone, frozen, false);
  return frozen;
}

void set_training(torch::nn::Module& module, bool on) {
  module.train(on);
  if (!on) return;
  for (const auto& part : module.modules(/*include_self=*/false)) {
    if (is_frozen_batch_norm(*part)) part->eval();
  }
}

void set_trainable(torch::nn::Module& module, const std::vector<std::string>& names, bool trainable) {
  auto parameters = module.named_parameters();
  for (const auto& name : names) {
    if (!parameters.contains(name)) throw error(ErrorKind::Config, "expected a parameter of the network but got \"", name, "\"");
  }
  for (const auto& name : names) {
    parameters[name].set_requires_grad(trainable);
    if (!trainable) parameters[name].mutable_grad().reset();  // one that is left from before would move the parameter
  }
  set_training(module, module.is_training());
}

}  // namespace trivium::nn

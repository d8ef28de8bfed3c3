// Small transformers and tokens, for tests of what becomes of tokens.
#pragma once

#include <ATen/ops/rand.h>

#include <map>
#include <memory>
#include <string>

#include "nn/backbones/vision_transformer.h"
#include "nn/blocks/tokens.h"
#include "nn/registry.h"

namespace trivium::testing {

constexpr int64_t kWidth = 8, kHeadWidth = 4;

inline nn::TokenState start(int64_t prefix, int64_t patches) {
  nn::TokenState state;
  state.prefix = prefix;
  state.positions = torch::rand({1, patches, 2});
  return state;
}

inline std::shared_ptr<nn::VisionTransformer> network(const std::string& name, std::map<std::string, OptionValue> options = {}) {
  options.insert({"num_classes", 3.0});
  options.insert({"seed", 4.0});
  return std::dynamic_pointer_cast<nn::VisionTransformer>(nn::create_backbone(name, Options(name, options)));
}

}  // namespace trivium::testing

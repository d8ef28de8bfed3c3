// Modules one after another, named "0", "1", … as in a PyTorch Sequential.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/blocks/checkpoint.h"
#include "nn/module.h"

namespace trivium::nn {

class Chain : public Module {
 public:
  void append(std::shared_ptr<Module> link) {
    links_.push_back(register_module(std::to_string(links_.size()), std::move(link)));
  }

  torch::Tensor forward(const torch::Tensor& input) override {
    auto value = input;
    for (auto& link : links_) value = checkpointed(checkpoint_ && is_training(), link, value);
    return value;
  }

  const std::vector<std::shared_ptr<Module>>& links() const { return links_; }

  /// From now on every link keeps only its input while the chain trains (blocks/checkpoint.h).
  void set_checkpointing(bool on) { checkpoint_ = on; }

 private:
  std::vector<std::shared_ptr<Module>> links_;
  bool checkpoint_ = false;
};

}  // namespace trivium::nn

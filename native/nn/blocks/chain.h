// Modules one after another, named "0", "1", … as in a PyTorch Sequential.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/module.h"

namespace trivium::nn {

class Chain : public Module {
 public:
  void append(std::shared_ptr<Module> link) {
    links_.push_back(register_module(std::to_string(links_.size()), std::move(link)));
  }

  torch::Tensor forward(const torch::Tensor& input) override {
    auto value = input;
    for (auto& link : links_) value = link->forward(value);
    return value;
  }

  const std::vector<std::shared_ptr<Module>>& links() const { return links_; }

 private:
  std::vector<std::shared_ptr<Module>> links_;
};

}  // namespace trivium::nn

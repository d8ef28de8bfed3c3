#pragma once

#include <array>
#include <span>
#include <string>

#include "augment/policy.h"

namespace trivium::augment {

struct PolicyStep {
  Choice choice;
  double probability;
  int index;  // among 10 values
};
using SubPolicy = std::array<PolicyStep, 2>;

/// "cifar10", "imagenet" or "svhn"; empty for another name.
std::span<const SubPolicy> autoaugment_policy(const std::string& name);

}  // namespace trivium::augment

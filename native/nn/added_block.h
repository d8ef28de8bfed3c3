// Marking what a published network does not have.
#pragma once

namespace trivium::nn {

/// Base of a module that published weights do not know (CBAM, TokenLearner, a fusion): it starts at random, so that adapters, which
/// freeze the network around them, leave it trainable.
class AddedBlock {
 public:
  virtual ~AddedBlock() = default;
};

}  // namespace trivium::nn

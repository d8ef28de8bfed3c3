// What an operation is, and the list of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "augment/image.h"
#include "core/options.h"
#include "core/rng.h"

namespace trivium::augment {

/// One operation on one image. Stateless; every random number comes from the generator it is handed, whose key (seed, epoch, sample,
/// view, place of the operation) an erasure keeps for its pixels.
class Operation {
 public:
  virtual ~Operation() = default;
  virtual void apply(Image& image, Rng& rng) const = 0;

  /// Acts on the normalised result, so that only others of its kind may follow.
  virtual bool after_normalisation() const { return false; }
};

struct OperationEntry {
  std::string name;  // "random_crop", "horizontal_flip", "resize", "center_crop", …
  std::unique_ptr<Operation> (*create)(const Options&);
};
const std::vector<OperationEntry>& operations();

/// The operation that options.owner() names. Throws ConfigError for an unknown name and for an option nobody reads.
std::unique_ptr<Operation> create_operation(const Options& options);

}  // namespace trivium::augment

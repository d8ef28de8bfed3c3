#include "nn/backbones/common.h"

#include "core/error.h"
#include "nn/blocks/precision.h"

namespace trivium::nn {
namespace {

constexpr int64_t kMostClasses = 1 << 20;
constexpr int64_t kLargestImage = 1 << 14;

}  // namespace

int64_t read_size(const Options& options, const std::string& key, int64_t fallback, int64_t maximum) {
  const int64_t value = options.integer(key, fallback);
  if (value < 1 || value > maximum) {
    throw error(ErrorKind::Config, options.owner(), ": expected ", key, " between 1 and ", maximum, " but got ", value);
  }
  return value;
}

CommonOptions read_common(const Options& options, int64_t default_image_size) {
  const int64_t num_classes = options.integer("num_classes", 1000);
  if (num_classes < 0 || num_classes > kMostClasses) {
    throw error(ErrorKind::Config, options.owner(), ": expected num_classes between 0 (no classifier) and ", kMostClasses, " but got ",
                num_classes);
  }
  return {num_classes, read_size(options, "image_size", default_image_size, kLargestImage)};
}

torch::Tensor classify_with(const std::shared_ptr<Linear>& classifier, const torch::Tensor& pooled) {
  return classifier ? widen(classifier->forward(pooled)) : pooled;
}

void append_parts(std::vector<std::vector<std::string>>& parts, const std::string& name, size_t count) {
  for (size_t i = 0; i < count; ++i) parts.push_back({name + "." + std::to_string(i)});
}

}  // namespace trivium::nn

#include "augment/plan.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

#include "augment/operations.h"
#include "augment/vector.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

using ChannelPattern = std::array<float, kBlock>;

TRIVIUM_VECTORISED
void to_float(const uint8_t* __restrict source, float* __restrict target, int64_t count, const float* __restrict scale,
              const float* __restrict shift) {
  int64_t at = 0;
  for (; at + kBlock <= count; at += kBlock) {
    for (int64_t i = 0; i < kBlock; ++i) target[at + i] = static_cast<float>(source[at + i]) * scale[i] + shift[i];
  }
  for (int64_t i = 0; at + i < count; ++i) target[at + i] = static_cast<float>(source[at + i]) * scale[i] + shift[i];
}

}  // namespace

const std::vector<OperationEntry>& operations() {
  static const std::vector<OperationEntry> entries{
      {"random_crop", create_random_crop},         {"random_resized_crop", create_random_resized_crop},
      {"horizontal_flip", create_horizontal_flip}, {"center_crop", create_center_crop},
      {"resize", create_resize},
  };
  return entries;
}

std::unique_ptr<Operation> create_operation(const Options& options) {
  std::ostringstream known;
  for (const OperationEntry& entry : operations()) {
    if (entry.name == options.owner()) return entry.create(options);
    known << (known.tellp() > 0 ? ", " : "") << entry.name;
  }
  throw error(ErrorKind::Config, "augment: expected an operation out of ", known.str(), " but got \"", options.owner(), "\"");
}

Plan::Plan(std::vector<std::unique_ptr<Operation>> operations, std::vector<double> mean, std::vector<double> std, uint64_t seed)
    : operations_(std::move(operations)), seed_(seed) {
  if (mean.size() != 3 || std.size() != 3) {
    throw error(ErrorKind::Config, "augment: expected 3 means and 3 standard deviations but got ", mean.size(), " and ", std.size());
  }
  for (int c = 0; c < 3; ++c) {
    if (!(std[c] > 0)) throw error(ErrorKind::Config, "augment: expected std[", c, "] > 0 but got ", std[c]);
    scale_.push_back(static_cast<float>(1.0 / (255.0 * std[c])));
    shift_.push_back(static_cast<float>(-mean[c] / std[c]));
  }
}

torch::Tensor Plan::apply(const torch::Tensor& images, const torch::Tensor& sample_ids, uint32_t epoch, int64_t views) const {
  if (images.dim() != 4 || images.size(3) != 3 || images.scalar_type() != torch::kUInt8 || !images.is_contiguous() || !images.is_cpu()) {
    throw error(ErrorKind::Shape, "augment: expected contiguous uint8 images [N, H, W, 3] on the CPU but got ", images.scalar_type(), " ",
                images.sizes());
  }
  const int64_t count = images.size(0), height = images.size(1), width = images.size(2), bytes = height * width * 3;
  if (sample_ids.dim() != 1 || sample_ids.size(0) != count || sample_ids.scalar_type() != torch::kInt64 || !sample_ids.is_contiguous() ||
      !sample_ids.is_cpu()) {
    throw error(ErrorKind::Shape, "augment: expected int64 sample ids [", count, "] on the CPU but got ", sample_ids.scalar_type(), " ",
                sample_ids.sizes());
  }
  if (count < 1 || height < 1 || width < 1) throw error(ErrorKind::Shape, "augment: expected at least one image but got ", images.sizes());
  if (views < 1) throw error(ErrorKind::Shape, "augment: expected at least one view but got ", views);

  const uint8_t* pixels = images.const_data_ptr<uint8_t>();
  const int64_t* ids = sample_ids.const_data_ptr<int64_t>();
  ChannelPattern scale, shift;
  for (int64_t i = 0; i < kBlock; ++i) {
    scale[i] = scale_[i % 3];
    shift[i] = shift_[i % 3];
  }

  // `item` counts view by view: item / count is the view, item % count the image.
  const auto run = [&](int64_t item, Image& image, Image& scratch) {
    image.height = height;
    image.width = width;
    const uint8_t* source = pixels + (item % count) * bytes;
    image.pixels.assign(source, source + bytes);
    for (size_t i = 0; i < operations_.size(); ++i) {
      Rng rng({.seed = seed_,
               .epoch = epoch,
               .view = static_cast<uint32_t>(item / count),
               .sample = static_cast<uint64_t>(ids[item % count]),
               .operation = static_cast<uint32_t>(i)});
      operations_[i]->apply(image, scratch, rng);
    }
  };

  // The first image tells the size that the operations end with.
  Image first, spare;
  run(0, first, spare);
  const int64_t out_height = first.height, out_width = first.width, values = out_height * out_width * 3;
  torch::Tensor out = torch::empty({views * count, 3, out_height, out_width}, torch::TensorOptions().dtype(torch::kFloat32),
                                   torch::MemoryFormat::ChannelsLast);
  float* target = out.mutable_data_ptr<float>();
  to_float(first.pixels.data(), target, values, scale.data(), shift.data());

  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(bytes, values));
  at::parallel_for(1, views * count, grain, [&](int64_t begin, int64_t end) {
    Image image, scratch;
    for (int64_t item = begin; item < end; ++item) {
      run(item, image, scratch);
      if (image.height != out_height || image.width != out_width) {
        throw error(ErrorKind::Shape, "augment: expected every image to end as ", out_height, "×", out_width, " but image ", item % count,
                    " ended as ", image.height, "×", image.width, "; end the plan with a crop or a resize");
      }
      to_float(image.pixels.data(), target + item * values, values, scale.data(), shift.data());
    }
  });
  return out;
}

}  // namespace trivium::augment

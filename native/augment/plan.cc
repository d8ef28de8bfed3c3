#include "augment/plan.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/allocator.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

/// Results of that size leave the caches before the network reads them, the more so as some batches are made ahead. Below, producing
/// and reading together cost less through the caches (measured: 19 MB equal, 77 MB 1.6 times faster streamed).
constexpr int64_t kStreamedBytes = int64_t{16} << 20;

void check(const torch::Tensor& images, const torch::Tensor& sample_ids, const Plan::Call& call) {
  if (images.dim() != 4 || images.size(3) != 3 || images.scalar_type() != torch::kUInt8 || !images.is_contiguous() || !images.is_cpu()) {
    throw error(ErrorKind::Shape, "augment: expected contiguous uint8 images [N, H, W, 3] on the CPU but got ", images.scalar_type(), " ",
                images.sizes());
  }
  if (call.views < 1) throw error(ErrorKind::Shape, "augment: expected at least one view but got ", call.views);
  if (images.numel() == 0) throw error(ErrorKind::Shape, "augment: expected at least one image but got ", images.sizes());
  const int64_t count = call.stacked ? images.size(0) / call.views : images.size(0);
  if (sample_ids.dim() != 1 || sample_ids.size(0) != count || sample_ids.scalar_type() != torch::kInt64 || !sample_ids.is_contiguous() ||
      !sample_ids.is_cpu() || (call.stacked && images.size(0) % call.views != 0)) {
    throw error(ErrorKind::Shape, "augment: expected int64 sample ids [", count, "] on the CPU but got ", sample_ids.scalar_type(), " ",
                sample_ids.sizes());
  }
}

/// Overwrites a box of normalised values [height, width, 3].
void erase(const Erasure& erasure, float* values, int64_t width) {
  Rng rng(erasure.key);
  float spare = 0;
  bool has_spare = false;
  const auto normal = [&] {  // Box & Muller 1958: two at a time
    if (std::exchange(has_spare, false)) return spare;
    const double radius = std::sqrt(-2 * std::log(1 - rng.uniform())), angle = 6.283185307179586 * rng.uniform();
    spare = static_cast<float>(radius * std::sin(angle));
    has_spare = true;
    return static_cast<float>(radius * std::cos(angle));
  };
  for (int64_t y = erasure.top; y < erasure.top + erasure.height; ++y) {
    float* row = values + (y * width + erasure.left) * 3;
    for (int64_t i = 0; i < erasure.width * 3; ++i) row[i] = erasure.per_pixel ? normal() : erasure.value[static_cast<size_t>(i % 3)];
  }
}

}  // namespace

Plan::Plan(std::vector<std::unique_ptr<Operation>> operations, std::vector<double> mean, std::vector<double> std, uint64_t seed,
           int64_t first_operation)
    : operations_(std::move(operations)), seed_(seed), first_operation_(static_cast<uint32_t>(first_operation)) {
  if (mean.size() != 3 || std.size() != 3) {
    throw error(ErrorKind::Config, "augment: expected 3 means and 3 standard deviations but got ", mean.size(), " and ", std.size());
  }
  for (size_t i = 0; i < static_cast<size_t>(kBlock); ++i) {
    const size_t c = i % 3;
    if (!(std[c] > 0)) throw error(ErrorKind::Config, "augment: expected std[", c, "] > 0 but got ", std[c]);
    scale_[i] = static_cast<float>(1.0 / (255.0 * std[c]));
    shift_[i] = static_cast<float>(-mean[c] / std[c]);
  }
  bool normalised = false;
  for (const auto& operation : operations_) {
    if (normalised && !operation->after_normalisation()) {
      throw error(ErrorKind::Config, "augment: expected random_erasing and cutout last, for they act on the normalised result");
    }
    normalised = operation->after_normalisation();
  }
}

template <typename Finish>
torch::Tensor Plan::run(const torch::Tensor& images, const torch::Tensor& sample_ids, const Call& call, torch::ScalarType type,
                        std::vector<std::vector<Draw>>* draws, const Finish& finish) const {
  check(images, sample_ids, call);
  const int64_t count = sample_ids.size(0), items = call.views * count, height = images.size(1), width = images.size(2);
  const uint8_t* pixels = images.const_data_ptr<uint8_t>();
  const int64_t* ids = sample_ids.const_data_ptr<int64_t>();
  if (draws) draws->assign(static_cast<size_t>(items), {});

  // `item` counts view by view: item / count is the view, item % count the image.
  const auto travel = [&](int64_t item, Image& image) {
    image.draws = draws ? &(*draws)[static_cast<size_t>(item)] : nullptr;
    image.lend(pixels + (call.stacked ? item : item % count) * height * width * 3, height, width);
    RngKey key{.seed = seed_,
               .epoch = call.epoch,
               .view = static_cast<uint32_t>(call.first_view + item / count),
               .sample = static_cast<uint64_t>(ids[item % count]),
               .operation = first_operation_};
    for (const auto& operation : operations_) {
      Rng rng(key);
      operation->apply(image, rng);
      ++key.operation;
    }
  };

  // The first image tells the size that the operations end with.
  Image first;
  travel(0, first);
  const int64_t out_height = first.height(), out_width = first.width(), values = out_height * out_width * 3;
  torch::Tensor out = type == torch::kFloat32
                          ? torch::empty({items, 3, out_height, out_width}, torch::TensorOptions().dtype(type), torch::MemoryFormat::ChannelsLast)
                          : torch::empty({items, out_height, out_width, 3}, torch::TensorOptions().dtype(type));
  uint8_t* target = static_cast<uint8_t*>(out.mutable_data_ptr());
  const int64_t bytes = values * static_cast<int64_t>(out.element_size());
  const bool streamed = items * bytes >= kStreamedBytes;
  if (streamed) advise_huge_pages(target, static_cast<size_t>(items * bytes));
  finish(first, target, streamed);

  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(height * width * 3, values));
  at::parallel_for(1, items, grain, [&](int64_t begin, int64_t end) {
    Image image;
    for (int64_t item = begin; item < end; ++item) {
      travel(item, image);
      if (image.height() != out_height || image.width() != out_width) {
        throw error(ErrorKind::Shape, "augment: expected every image to end as ", out_height, "×", out_width, " but image ", item % count,
                    " ended as ", image.height(), "×", image.width(), "; end the plan with a crop or a resize");
      }
      finish(image, target + item * bytes, streamed);
    }
  });
  return out;
}

torch::Tensor Plan::apply(const torch::Tensor& images, const torch::Tensor& sample_ids, const Call& call) const {
  return run(images, sample_ids, call, torch::kFloat32, nullptr, [this](Image& image, uint8_t* target, bool streamed) {
    float* values = reinterpret_cast<float*>(target);
    (streamed ? normalise_streamed : normalise)(image.pixels(), values, image.count() * 3, scale_, shift_);
    for (const Erasure& erasure : image.erasures) erase(erasure, values, image.width());
  });
}

torch::Tensor Plan::apply_to_pixels(const torch::Tensor& images, const torch::Tensor& sample_ids, const Call& call,
                                    std::vector<std::vector<Draw>>* draws) const {
  return run(images, sample_ids, call, torch::kUInt8, draws, [](Image& image, uint8_t* target, bool) {
    const uint8_t* pixels = image.pixels();
    std::copy(pixels, pixels + image.count() * 3, target);
  });
}

}  // namespace trivium::augment

// Plans over batches: draws keyed by sample, stacking by view, layout, refusals.
#include "augment/plan.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <cstdio>
#include <map>
#include <string>
#include <utility>

#include "core/error.h"

using namespace trivium;
using namespace trivium::augment;

static int failures = 0;
#define EXPECT(condition)                                                         \
  do {                                                                           \
    if (!(condition)) {                                                          \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                                \
    }                                                                            \
  } while (false)

using Values = std::map<std::string, OptionValue>;

static Plan plan(const std::vector<std::pair<std::string, Values>>& steps, uint64_t seed = 1) {
  std::vector<std::unique_ptr<Operation>> operations;
  for (const auto& [name, values] : steps) operations.push_back(create_operation(Options(name, values)));
  return Plan(std::move(operations), {0, 0, 0}, {1 / 255.0, 1 / 255.0, 1 / 255.0}, seed);
}

template <typename Function>
static bool throws(ErrorKind kind, Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.kind == kind;
  }
  return false;
}

int main() {
  const torch::Tensor images = torch::randint(0, 256, {64, 8, 8, 3}, torch::kUInt8);
  const torch::Tensor ids = torch::arange(64);
  const std::vector<std::pair<std::string, Values>> steps{{"random_crop", {{"size", 8.0}, {"padding", 2.0}}}, {"horizontal_flip", {}}};

  // Without operations: the pixels, channels-last.
  const torch::Tensor plain = plan({}).apply(images, ids, {0, 1});
  EXPECT(plain.is_contiguous(torch::MemoryFormat::ChannelsLast));
  EXPECT(torch::allclose(plain.permute({0, 2, 3, 1}), images.to(torch::kFloat32), 1e-5, 1e-3));

  // Same key, same draws; the view, the epoch and the seed change them; views are stacked one after the other.
  const torch::Tensor first = plan(steps).apply(images, ids, {0, 1});
  const torch::Tensor both = plan(steps).apply(images, ids, {0, 2});
  EXPECT(both.size(0) == 128);
  EXPECT(both.slice(0, 0, 64).equal(first));
  EXPECT(!both.slice(0, 64).equal(first));
  EXPECT(!plan(steps).apply(images, ids, {1, 1}).equal(first));
  EXPECT(!plan(steps, 2).apply(images, ids, {0, 1}).equal(first));

  // A sample draws the same in another batch, and with another number of threads.
  const torch::Tensor some = torch::tensor({40, 3, 17});
  EXPECT(plan(steps).apply(images.index_select(0, some).contiguous(), some, {0, 1}).equal(first.index_select(0, some)));
  at::set_num_threads(1);
  EXPECT(plan(steps).apply(images, ids, {0, 1}).equal(first));

  EXPECT(throws(ErrorKind::Shape, [&] { plan({}).apply(images.to(torch::kFloat32), ids, {0, 1}); }));
  EXPECT(throws(ErrorKind::Shape, [&] { plan({}).apply(images, ids.slice(0, 1), {0, 1}); }));
  EXPECT(throws(ErrorKind::Shape, [&] { plan({}).apply(images, ids, {0, 0}); }));
  EXPECT(throws(ErrorKind::Shape, [&] { plan({{"center_crop", {{"size", 9.0}}}}).apply(images, ids, {0, 1}); }));
  EXPECT(throws(ErrorKind::Config, [&] { plan({{"nonsense", {}}}); }));
  EXPECT(throws(ErrorKind::Config, [&] { plan({{"horizontal_flip", {{"probability", 0.5}}}}); }));
  EXPECT(throws(ErrorKind::Config, [&] { plan({{"random_crop", {}}}); }));
  if (failures == 0) std::printf("augment_plan: ok\n");
  return failures == 0 ? 0 : 1;
}

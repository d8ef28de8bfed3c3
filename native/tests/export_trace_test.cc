// Tracing the library's own networks: the saved TorchScript computes what the network computes for any batch, and the graph
// keeps the batch symbolic.
#include "export/trace.h"

#include <torch/csrc/jit/serialization/import.h>
#include <torch/nn/modules/linear.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "nn/registry.h"
#include "tests/check.h"

using trivium::Options;
using trivium::OptionValue;
namespace nn = trivium::nn;
namespace exporting = trivium::exporting;

namespace {

const std::string path =
    (std::filesystem::temp_directory_path() / ("trivium-trace-" + std::to_string(::getpid()) + ".pt")).string();

std::shared_ptr<nn::Classifier> classifier(const std::string& name, double image_size, bool cosine) {
  std::map<std::string, OptionValue> options{{"num_classes", cosine ? 0.0 : 5.0}, {"image_size", image_size}};
  auto backbone = nn::create_backbone(name, Options(name, options));
  std::shared_ptr<nn::Module> head;
  if (cosine) {
    std::map<std::string, OptionValue> sizes{{"in_features", static_cast<double>(backbone->num_features())}, {"out_features", 5.0}};
    head = nn::create_head("cosine", Options("cosine", sizes));
  }
  auto model = std::make_shared<nn::Classifier>(backbone, head, cosine ? 16.0 : 1.0, std::vector<double>{0.4, 0.5, 0.6},
                                                std::vector<double>{0.2, 0.3, 0.25});
  model->eval();
  return model;
}

void traces(const std::string& name, int64_t size, bool cosine) {
  torch::manual_seed(7);
  const auto model = classifier(name, static_cast<double>(size), cosine);
  const exporting::Forward forward = [&](const torch::Tensor& images) { return model->forward(images); };
  const auto images = torch::randint(0, 256, {3, size, size, 3}, torch::kByte);

  const auto graph = exporting::trace(*model, forward, images);
  CHECK_TRUE(graph.json.find("\"inputs\":[0]") != std::string::npos);
  CHECK_TRUE(graph.json.find("\"shape\":[-1," + std::to_string(size) + "," + std::to_string(size) + ",3]") != std::string::npos);
  const auto state = nn::named_state(*model);
  for (const auto& [parameter, tensor] : graph.parameters) {
    if (parameter.starts_with("constant.")) continue;  // a tensor that the network computes from its options: SwinV2's windows
    const auto own = std::find_if(state.begin(), state.end(), [&, &key = parameter](const auto& entry) { return entry.first == key; });
    CHECK_TRUE(own != state.end());
    if (own != state.end()) CHECK_TRUE(torch::equal(own->second, tensor));
  }

  exporting::save_torchscript(*model, forward, images, path, {{"note", "text"}});
  torch::jit::ExtraFilesMap extra{{"note", ""}};
  auto loaded = torch::jit::load(path, std::nullopt, extra);
  CHECK_TRUE(extra.at("note") == "text");
  torch::NoGradGuard no_grad;
  for (const int64_t batch : {1, 3, 4}) {
    const auto input = torch::randint(0, 256, {batch, size, size, 3}, torch::kByte);
    const auto wanted = model->forward(input);
    const auto got = loaded.forward({input}).toTuple()->elements();
    for (size_t i = 0; i < wanted.size(); ++i) CHECK_NEAR(got[i].toTensor(), wanted[i], 1e-5);
  }
}

/// A module that asks for its batch, as hand-written networks do.
struct AsksForBatch : nn::Module {
  AsksForBatch() { fc = register_module("fc", torch::nn::Linear(4, 6)); }
  torch::Tensor forward(const torch::Tensor& input) override {
    return fc->forward(input).reshape({input.size(0) * 2, 3}).reshape({input.size(0), 6});
  }
  torch::nn::Linear fc{nullptr};
};

/// A module whose operations depend on the batch.
struct CountsUpTo : nn::Module {
  torch::Tensor forward(const torch::Tensor& input) override {
    auto sum = input;
    for (int64_t i = 0; i < input.size(0); ++i) sum = sum + 1;
    return sum;
  }
};

/// Adds a number that the tracer takes for a constant.
struct ReadsBatch : nn::Module {
  torch::Tensor forward(const torch::Tensor& input) override { return input + 0.5 * static_cast<double>(input.size(0)); }
};

/// Behaves while it is traced (twice), and differently afterwards.
struct ChangesItsMind : nn::Module {
  torch::Tensor forward(const torch::Tensor& input) override { return ++calls <= 2 ? input * 1 : input * 3; }
  int calls = 0;
};

template <typename Network>
exporting::Forward single(Network& network) {
  return [&network](const torch::Tensor& input) { return std::vector<torch::Tensor>{network.forward(input)}; };
}

void keeps_the_batch_symbolic() {
  const auto network = std::make_shared<AsksForBatch>();
  network->eval();
  const auto graph = exporting::trace(*network, single(*network), torch::randn({1, 4}));
  CHECK_TRUE(graph.json.find("{\"type\":\"batch\",\"constant\":2}") != std::string::npos);
  CHECK_TRUE(graph.json.find("{\"type\":\"batch\",\"constant\":1}") != std::string::npos);
  exporting::save_torchscript(*network, single(*network), torch::randn({1, 4}), path, {});
  auto loaded = torch::jit::load(path);
  const auto input = torch::randn({9, 4});
  CHECK_NEAR(loaded.forward({input}).toTensor(), network->forward(input), 1e-6);
}

void names_what_is_wrong() {
  std::filesystem::remove(path);
  const auto counts = std::make_shared<CountsUpTo>();
  counts->eval();
  CHECK_ERROR(Snapshot, "more operations", exporting::trace(*counts, single(*counts), torch::randn({2, 4})));
  const auto reads = std::make_shared<ReadsBatch>();
  reads->eval();
  CHECK_ERROR(Snapshot, "another value", exporting::trace(*reads, single(*reads), torch::randn({2, 4})));
  const auto changes = std::make_shared<ChangesItsMind>();
  changes->eval();
  CHECK_ERROR(Snapshot, "disagrees with the model",
              exporting::save_torchscript(*changes, single(*changes), torch::ones({2, 4}), path, {}));
  CHECK_TRUE(!std::filesystem::exists(path));
  const auto network = std::make_shared<AsksForBatch>();
  CHECK_ERROR(Snapshot, "training mode", exporting::trace(*network, single(*network), torch::randn({2, 4})));
  network->eval();
  CHECK_ERROR(Shape, "at least one item", exporting::trace(*network, single(*network), torch::randn({0, 4})));
  CHECK_ERROR(Snapshot, "cannot be traced", exporting::trace(*network, single(*network), torch::randn({2, 5})));
  CHECK_ERROR(Snapshot, "cannot be written",
              exporting::save_torchscript(*network, single(*network), torch::randn({2, 4}), "/no/such/folder/model.pt", {}));
  // A failed trace must leave the thread able to trace.
  CHECK_TRUE(!exporting::trace(*network, single(*network), torch::randn({2, 4})).json.empty());
}

}  // namespace

int main() {
  traces("small_cnn", 8, true);
  traces("resnet_test", 32, true);
  traces("cifar_cnn_test", 32, false);
  traces("vit_test", 32, false);
  traces("cifar_resnet_test", 32, false);
  traces("convnext_test", 32, true);
  traces("convnextv2_test", 32, false);
  traces("swinv2_test", 64, true);
  traces("swinv2_test", 52, false);
  keeps_the_batch_symbolic();
  names_what_is_wrong();
  std::filesystem::remove(path);
  return trivium::testing::finish("export_trace");
}

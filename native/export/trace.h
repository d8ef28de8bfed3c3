// A module run once under LibTorch's tracer, as a graph of ATen nodes that TypeScript lowers to ONNX; and as a TorchScript file.
#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "nn/module.h"

namespace trivium::exporting {

struct TracedGraph {
  /// {"inputs":[id], "outputs":[id], "nodes":[{"op":"aten::conv2d","inputs":[{"value":id}|{"constant":…}|{"list":[…]}],"outputs":[id]}],
  ///  "parameters":{id: name}, "types":{id: {"dtype":"float32","shape":[…]}}}: see src/export/graph.ts, which has the same as a type.
  std::string json;
  std::vector<std::pair<std::string, torch::Tensor>> parameters;  // by the names used in the JSON
};

using Forward = std::function<std::vector<torch::Tensor>(const torch::Tensor&)>;

/// Traces `forward` (which must run `module` in eval mode) on `example`. Parameters and buffers of `module` become graph parameters
/// under their own names; sizes that depend on the batch (dimension 0) stay symbolic.
TracedGraph trace(const torch::nn::Module& module, const Forward& forward, const torch::Tensor& example);

/// The same trace saved as a TorchScript archive that torch.jit.load reads; `extra_files` are stored beside it (name, content).
/// The file is loaded again and run on `example`; throws SnapshotError and removes it when the results differ.
void save_torchscript(const torch::nn::Module& module, const Forward& forward, const torch::Tensor& example, const std::string& path,
                      const std::vector<std::pair<std::string, std::string>>& extra_files);

}  // namespace trivium::exporting

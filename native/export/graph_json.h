// A traced graph as the JSON that src/export/graph.ts describes.
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include "export/symbolic_batch.h"
#include "export/trace.h"

namespace trivium::exporting {

/// Attribute reads of `self` become parameters under their dotted path; tensors that the module did not register become
/// parameters named "constant.<n>". Throws SnapshotError for a graph that has control flow.
TracedGraph write_graph_json(torch::jit::Graph& graph, const torch::jit::Module& self, const BatchFactors& batch);

}  // namespace trivium::exporting

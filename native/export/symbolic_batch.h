// Which sizes of a trace depend on the batch. The tracer writes every size as a number; two traces with different batches tell
// which of these numbers are the batch (or a multiple of it).
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace trivium::exporting {

/// A shape with −k for "k times the batch".
using SymbolicShape = std::vector<int64_t>;

struct BatchFactors {
  std::unordered_map<const torch::jit::Value*, int64_t> constants;     // an int constant of the first graph → k: it means k × batch
  std::unordered_map<const torch::jit::Value*, SymbolicShape> shapes;  // of every tensor value whose shape the tracer knows
};

/// Both graphs come from the same module. Throws SnapshotError where they differ in anything but sizes proportional to the batch.
BatchFactors find_batch_factors(torch::jit::Graph& first, torch::jit::Graph& second, int64_t first_batch, int64_t second_batch);

/// Replaces those constants by k · image.size(0), for the saved TorchScript.
void insert_batch_sizes(torch::jit::Graph& graph, const BatchFactors& factors);

}  // namespace trivium::exporting

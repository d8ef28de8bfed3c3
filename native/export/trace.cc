#include "export/trace.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <cstdio>

#include "core/error.h"
#include "export/graph_json.h"
#include "export/symbolic_batch.h"

namespace trivium::exporting {
namespace {

namespace jit = torch::jit;

// Two sizes that no model uses as a constant of its own by accident, and neither is 1, which would broadcast or squeeze. Whatever
// differs between the two traces depends on the batch.
constexpr int64_t kFirstBatch = 5;
constexpr int64_t kSecondBatch = 7;

/// A module with the same tree, names and tensor objects, so that the tracer knows each tensor by its attribute path.
jit::Module mirror(const torch::nn::Module& module, const std::string& path, const std::shared_ptr<jit::CompilationUnit>& unit) {
  if (module.is_training()) {
    throw error(ErrorKind::Snapshot, "export: expected a model in evaluation mode, but ", path, " is in training mode. Call eval() first.");
  }
  jit::Module copy(c10::QualifiedName("__torch__." + path), unit);
  // TorchScript reads `training` of every module; False is what a traced evaluation means.
  copy.register_attribute("training", c10::BoolType::get(), false);
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    if (item.value().defined()) copy.register_parameter(item.key(), item.value(), /*is_buffer=*/false);
  }
  for (const auto& item : module.named_buffers(/*recurse=*/false)) {
    if (item.value().defined()) copy.register_buffer(item.key(), item.value());
  }
  for (const auto& item : module.named_children()) copy.register_module(item.key(), mirror(*item.value(), path + "_" + item.key(), unit));
  return copy;
}

/// Autograd and autocast off, and the tracer left clean however we leave.
class TracingScope {
 public:
  TracingScope() : cpu_(at::autocast::is_autocast_enabled(at::kCPU)), cuda_(at::autocast::is_autocast_enabled(at::kCUDA)) {
    at::autocast::set_autocast_enabled(at::kCPU, false);
    at::autocast::set_autocast_enabled(at::kCUDA, false);
  }
  ~TracingScope() {
    if (jit::tracer::isTracing()) jit::tracer::abandon();
    at::autocast::set_autocast_enabled(at::kCPU, cpu_);
    at::autocast::set_autocast_enabled(at::kCUDA, cuda_);
  }

 private:
  at::NoGradGuard no_grad_;
  bool cpu_, cuda_;
};

std::shared_ptr<jit::Graph> trace_once(jit::Module& self, const Forward& forward, const torch::Tensor& example) {
  TracingScope scope;
  const auto run = [&](jit::Stack inputs) -> jit::Stack {
    std::vector<torch::Tensor> outputs = forward(inputs.at(0).toTensor());
    if (outputs.size() == 1) return {outputs[0]};
    return {c10::ivalue::Tuple::create(std::vector<c10::IValue>(outputs.begin(), outputs.end()))};
  };
  auto [state, outputs] = jit::tracer::trace({example}, run, [](const torch::Tensor&) { return std::string(); }, /*strict=*/true,
                                             /*force_outplace=*/false, &self, {"image"});
  jit::Inline(*state->graph);
  jit::EliminateDeadCode(state->graph);
  return state->graph;
}

struct Trace {
  jit::Module self;
  std::shared_ptr<jit::Graph> graph;
  BatchFactors batch;
};

torch::Tensor example_of_size(const torch::Tensor& example, int64_t batch) {
  return example.index_select(0, at::arange(batch, example.options().dtype(at::kLong)).remainder(example.size(0)));
}

Trace trace_both(const torch::nn::Module& module, const Forward& forward, const torch::Tensor& example) {
  if (!example.defined() || example.dim() < 1 || example.size(0) < 1) {
    throw error(ErrorKind::Shape, "export: expected an example batch with at least one item, but got ",
                example.defined() ? c10::str(example.sizes()) : "an undefined tensor", ".");
  }
  const auto unit = std::make_shared<jit::CompilationUnit>();
  jit::Module self = mirror(module, "trivium.Model", unit);
  try {
    auto first = trace_once(self, forward, example_of_size(example, kFirstBatch));
    auto second = trace_once(self, forward, example_of_size(example, kSecondBatch));
    BatchFactors batch = find_batch_factors(*first, *second, kFirstBatch, kSecondBatch);
    return {self, std::move(first), std::move(batch)};
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& cause) {
    throw error(ErrorKind::Snapshot, "export: the model cannot be traced: ", cause.what_without_backtrace());
  } catch (const std::exception& cause) {
    throw error(ErrorKind::Snapshot, "export: the model cannot be traced: ", cause.what());
  }
}

/// What the tracer cannot see (a value read into C++, an update of a view) is frozen silently; running the file shows it.
void expect_same_results(const std::string& path, const Forward& forward, const torch::Tensor& example) {
  at::NoGradGuard no_grad;
  const std::vector<torch::Tensor> wanted = forward(example);
  const c10::IValue result = jit::load(path).forward({example});
  std::vector<torch::Tensor> got;
  if (result.isTensor()) got.push_back(result.toTensor());
  else for (const auto& item : result.toTupleRef().elements()) got.push_back(item.toTensor());
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].numel() == 0) continue;
    const double largest = std::max(1.0, wanted[i].abs().max().to(at::kDouble).item<double>());
    const double difference = (got.at(i) - wanted[i]).abs().max().to(at::kDouble).item<double>();
    if (!(difference <= 1e-3 * largest)) {
      throw error(ErrorKind::Snapshot, path, ": the TorchScript file disagrees with the model: result ", i, " differs by up to ", difference,
                  " (allowed ", 1e-3 * largest, "). It was not kept; the model computes something that a trace cannot hold.");
    }
  }
}

}  // namespace

TracedGraph trace(const torch::nn::Module& module, const Forward& forward, const torch::Tensor& example) {
  Trace traced = trace_both(module, forward, example);
  return write_graph_json(*traced.graph, traced.self, traced.batch);
}

void save_torchscript(const torch::nn::Module& module, const Forward& forward, const torch::Tensor& example, const std::string& path,
                      const std::vector<std::pair<std::string, std::string>>& extra_files) {
  Trace traced = trace_both(module, forward, example);
  insert_batch_sizes(*traced.graph, traced.batch);
  const auto name = c10::QualifiedName(*traced.self.type()->name(), "forward");
  auto* function = traced.self._ivalue()->compilation_unit()->create_function(name, traced.graph);
  traced.self.type()->addMethod(function);
  jit::ExtraFilesMap extra(extra_files.begin(), extra_files.end());
  try {
    traced.self.save(path, extra);
    expect_same_results(path, forward, example);
  } catch (const Error&) {
    std::remove(path.c_str());
    throw;
  } catch (const c10::Error& cause) {
    std::remove(path.c_str());
    throw error(ErrorKind::Snapshot, path, ": the TorchScript file cannot be written: ", cause.what_without_backtrace());
  } catch (const std::exception& cause) {
    std::remove(path.c_str());
    throw error(ErrorKind::Snapshot, path, ": the TorchScript file cannot be written: ", cause.what());
  }
}

}  // namespace trivium::exporting

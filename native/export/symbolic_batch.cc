#include "export/symbolic_batch.h"

#include <torch/csrc/jit/ir/constants.h>

#include <map>
#include <optional>

#include "core/error.h"

namespace trivium::exporting {
namespace {

namespace jit = torch::jit;

class Comparison {
 public:
  Comparison(int64_t first_batch, int64_t second_batch) : first_batch_(first_batch), second_batch_(second_batch) {}

  BatchFactors run(jit::Graph& first, jit::Graph& second) {
    values(first.inputs(), second.inputs());
    auto a = first.nodes().begin(), b = second.nodes().begin();
    for (; a != first.nodes().end() && b != second.nodes().end(); ++a, ++b) nodes(**a, **b);
    if (a != first.nodes().end() || b != second.nodes().end()) differ("one trace has more operations than the other");
    return std::move(factors_);
  }

 private:
  [[noreturn]] void differ(const std::string& what) const {
    throw error(ErrorKind::Snapshot, "export: the model computes differently for batches of ", first_batch_, " and ", second_batch_, ": ",
                what, ". Only models whose operations do not depend on the batch can be exported.");
  }

  /// k when the two numbers are k times their batches.
  std::optional<int64_t> factor(int64_t first, int64_t second) const {
    if (first % first_batch_ != 0 || second % second_batch_ != 0 || first / first_batch_ != second / second_batch_) return std::nullopt;
    return first / first_batch_;
  }

  void nodes(jit::Node& a, jit::Node& b) {
    if (a.kind() != b.kind() || a.inputs().size() != b.inputs().size() || a.outputs().size() != b.outputs().size()) {
      differ(std::string(a.kind().toQualString()) + " against " + b.kind().toQualString());
    }
    if (a.kind() == c10::prim::Constant) constants(a, b);
    values(a.outputs(), b.outputs());
  }

  void constants(jit::Node& a, jit::Node& b) {
    const auto first = jit::toIValue(a.output()), second = jit::toIValue(b.output());
    if (!first || !second || same(*first, *second)) return;
    if (!first->isInt() || !second->isInt()) differ("a constant of type " + first->tagKind() + " has another value");
    const auto k = factor(first->toInt(), second->toInt());
    if (!k) differ("the number " + std::to_string(first->toInt()) + " became " + std::to_string(second->toInt()));
    factors_.constants.emplace(a.output(), *k);
  }

  static bool same(const c10::IValue& a, const c10::IValue& b) {
    if (a.isTensor() && b.isTensor()) {
      const auto &first = a.toTensor(), &second = b.toTensor();
      if (!first.defined() || !second.defined()) return first.defined() == second.defined();
      return first.scalar_type() == second.scalar_type() && first.sizes() == second.sizes() && first.equal(second);
    }
    if (a.isInt() && b.isInt()) return a.toInt() == b.toInt();
    if (a.isDouble() && b.isDouble()) return a.toDouble() == b.toDouble();
    if (a.isBool() && b.isBool()) return a.toBool() == b.toBool();
    return a.tagKind() == b.tagKind();
  }

  void values(at::ArrayRef<jit::Value*> first, at::ArrayRef<jit::Value*> second) {
    for (size_t i = 0; i < first.size(); ++i) {
      const auto a = first[i]->type()->cast<c10::TensorType>(), b = second[i]->type()->cast<c10::TensorType>();
      if (!a || !b) continue;
      const auto sizes = a->sizes().concrete_sizes(), other = b->sizes().concrete_sizes();
      if (!sizes || !other) continue;
      if (sizes->size() != other->size()) differ("a tensor has another number of dimensions");
      SymbolicShape shape = *sizes;
      for (size_t d = 0; d < shape.size(); ++d) {
        if (shape[d] == (*other)[d]) continue;
        const auto k = factor(shape[d], (*other)[d]);
        if (!k) differ("a tensor's size " + std::to_string(shape[d]) + " became " + std::to_string((*other)[d]));
        shape[d] = -*k;
      }
      factors_.shapes.emplace(first[i], std::move(shape));
    }
  }

  const int64_t first_batch_, second_batch_;
  BatchFactors factors_;
};

}  // namespace

BatchFactors find_batch_factors(jit::Graph& first, jit::Graph& second, int64_t first_batch, int64_t second_batch) {
  return Comparison(first_batch, second_batch).run(first, second);
}

void insert_batch_sizes(jit::Graph& graph, const BatchFactors& factors) {
  if (factors.constants.empty()) return;
  jit::WithInsertPoint guard(*graph.nodes().begin());
  // inputs()[0] is the module itself.
  jit::Value* batch = graph.insert(c10::aten::size, {graph.inputs().at(1), 0});
  std::map<int64_t, jit::Value*> multiples{{1, batch}};
  for (jit::Node* node : graph.nodes()) {
    if (node->kind() != c10::prim::Constant) continue;
    const auto found = factors.constants.find(node->output());
    if (found == factors.constants.end()) continue;
    auto& multiple = multiples[found->second];
    if (multiple == nullptr) multiple = graph.insert(c10::aten::mul, {batch, found->second});
    node->output()->replaceAllUsesWith(multiple);
  }
}

}  // namespace trivium::exporting

#include "export/graph_json.h"

#include <torch/csrc/jit/ir/constants.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <unordered_map>

#include "core/error.h"

namespace trivium::exporting {
namespace {

namespace jit = torch::jit;

void append_string(std::string& out, const std::string& text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  out += '"';
}

/// The names of torch.ops in TypeScript; ONNX element types are chosen by them.
std::string dtype_name(c10::ScalarType dtype) {
  switch (dtype) {
    case c10::ScalarType::Float: return "float32";
    case c10::ScalarType::Double: return "float64";
    case c10::ScalarType::Half: return "float16";
    case c10::ScalarType::BFloat16: return "bfloat16";
    case c10::ScalarType::Long: return "int64";
    case c10::ScalarType::Int: return "int32";
    case c10::ScalarType::Short: return "int16";
    case c10::ScalarType::Char: return "int8";
    case c10::ScalarType::Byte: return "uint8";
    case c10::ScalarType::Bool: return "bool";
    default: return c10::toString(dtype);
  }
}

class Writer {
 public:
  Writer(jit::Graph& graph, const jit::Module& self, const BatchFactors& batch) : graph_(graph), self_(self), batch_(batch) {}

  TracedGraph write() {
    std::string inputs, outputs;
    paths_[graph_.inputs().at(0)] = "";
    for (size_t i = 1; i < graph_.inputs().size(); ++i) append_id(inputs, graph_.inputs()[i]);
    for (jit::Node* node : graph_.nodes()) visit(*node);
    for (const jit::Value* value : graph_.outputs()) {
      if (const auto list = lists_.find(value); list != lists_.end()) {
        for (const jit::Value* item : list->second) append_id(outputs, item);
      } else {
        append_id(outputs, value);
      }
    }
    TracedGraph traced;
    traced.json = "{\"inputs\":[" + inputs + "],\"outputs\":[" + outputs + "],\"nodes\":[" + nodes_ + "],\"parameters\":{" + parameters_ +
                  "},\"types\":{" + types_ + "}}";
    traced.parameters = std::move(tensors_);
    return traced;
  }

 private:
  /// A tensor value's number, with its type noted on first sight.
  int64_t id(const jit::Value* value) {
    const auto [found, fresh] = ids_.emplace(value, static_cast<int64_t>(ids_.size()));
    if (fresh) append_type(found->second, value);
    return found->second;
  }

  void append_id(std::string& out, const jit::Value* value) {
    const int64_t number = id(value);
    if (!out.empty()) out += ',';
    out += std::to_string(number);
  }

  void append_type(int64_t number, const jit::Value* value) {
    const auto type = value->type()->cast<c10::TensorType>();
    const auto shape = batch_.shapes.find(value);
    if (!type || !type->scalarType() || shape == batch_.shapes.end()) return;
    append_type(number, *type->scalarType(), shape->second);
  }

  void append_type(int64_t number, c10::ScalarType dtype, const SymbolicShape& shape) {
    if (!types_.empty()) types_ += ',';
    types_ += "\"" + std::to_string(number) + "\":{\"dtype\":\"" + dtype_name(dtype) + "\",\"shape\":[";
    for (size_t d = 0; d < shape.size(); ++d) {
      if (d > 0) types_ += ',';
      types_ += std::to_string(shape[d]);
    }
    types_ += "]}";
  }

  void add_parameter(const jit::Value* value, const std::string& name, const torch::Tensor& tensor) {
    const auto number = static_cast<int64_t>(ids_.size());
    ids_.emplace(value, number);
    if (!parameters_.empty()) parameters_ += ',';
    parameters_ += "\"" + std::to_string(number) + "\":";
    append_string(parameters_, name);
    append_type(number, tensor.scalar_type(), tensor.sizes().vec());
    if (names_.emplace(name, true).second) tensors_.emplace_back(name, tensor.detach());
  }

  void visit(jit::Node& node) {
    if (node.kind() == c10::prim::GetAttr) return attribute(node);
    if (node.kind() == c10::prim::Constant) return constant(node);
    if (node.kind() == c10::prim::ListConstruct || node.kind() == c10::prim::TupleConstruct) {
      lists_[node.output()] = node.inputs().vec();
      return;
    }
    if (node.kind() == c10::prim::ListUnpack || node.kind() == c10::prim::TupleUnpack) return unpack(node);
    if (!node.blocks().empty()) {
      throw error(ErrorKind::Snapshot, "export: expected a straight line of operations, but found control flow (",
                  node.kind().toQualString(), ").");
    }
    operation(node);
  }

  void attribute(jit::Node& node) {
    const std::string& parent = paths_.at(node.input());
    const std::string path = parent.empty() ? node.s(c10::attr::name) : parent + "." + node.s(c10::attr::name);
    paths_[node.output()] = path;
    const c10::IValue value = owner(parent).attr(node.s(c10::attr::name));
    if (value.isTensor()) add_parameter(node.output(), path, value.toTensor());
  }

  jit::Module owner(const std::string& path) const {
    jit::Module module = self_;
    size_t start = 0;
    while (start < path.size()) {
      const size_t end = std::min(path.find('.', start), path.size());
      module = module.attr(path.substr(start, end - start)).toModule();
      start = end + 1;
    }
    return module;
  }

  void constant(jit::Node& node) {
    const auto value = jit::toIValue(node.output());
    if (value && value->isTensor() && value->toTensor().defined()) {
      add_parameter(node.output(), "constant." + std::to_string(constants_++), value->toTensor());
    }
  }

  /// The list a ListUnpack opens has no life of its own in the JSON: an operation with a list result has these values as its outputs.
  void unpack(jit::Node& node) {
    if (const auto list = lists_.find(node.input()); list != lists_.end()) {
      throw error(ErrorKind::Snapshot, "export: found a list that is built and taken apart again (", node.kind().toQualString(), ").");
    }
  }

  void operation(jit::Node& node) {
    if (!nodes_.empty()) nodes_ += ",\n";
    nodes_ += "{\"op\":";
    append_string(nodes_, node.kind().toQualString());
    const c10::FunctionSchema* schema = node.maybeSchema();
    nodes_ += ",\"overload\":";
    append_string(nodes_, schema != nullptr ? schema->overload_name() : "");
    nodes_ += ",\"inputs\":[";
    for (size_t i = 0; i < node.inputs().size(); ++i) {
      nodes_ += i > 0 ? ",{" : "{";
      const bool named = schema != nullptr && i < schema->arguments().size();
      nodes_ += "\"name\":";
      append_string(nodes_, named ? schema->arguments()[i].name() : std::to_string(i));
      nodes_ += ',';
      append_argument(node.inputs()[i]);
      nodes_ += '}';
    }
    nodes_ += "],\"outputs\":[";
    std::string outputs;
    for (const jit::Value* output : node.outputs()) {
      const bool list = output->type()->kind() == c10::TypeKind::ListType && output->uses().size() == 1 &&
                        output->uses()[0].user->kind() == c10::prim::ListUnpack;
      if (list) {
        for (const jit::Value* item : output->uses()[0].user->outputs()) append_id(outputs, item);
      } else {
        append_id(outputs, output);
      }
    }
    nodes_ += outputs + "]}";
  }

  /// One of "value", "list" or "constant" with its "type": JSON alone cannot tell 1 from 1.0.
  void append_argument(const jit::Value* value) {
    if (const auto list = lists_.find(value); list != lists_.end()) {
      nodes_ += "\"list\":[";
      for (size_t i = 0; i < list->second.size(); ++i) {
        nodes_ += i > 0 ? ",{" : "{";
        append_argument(list->second[i]);
        nodes_ += '}';
      }
      nodes_ += ']';
      return;
    }
    if (const auto factor = batch_.constants.find(value); factor != batch_.constants.end()) {
      nodes_ += "\"type\":\"batch\",\"constant\":" + std::to_string(factor->second);
      return;
    }
    if (value->node()->kind() == c10::prim::Constant && ids_.count(value) == 0) {
      const auto constant = jit::toIValue(value);
      append_constant(constant ? *constant : c10::IValue());
      return;
    }
    nodes_ += "\"value\":" + std::to_string(id(value));
  }

  void append_constant(const c10::IValue& value) {
    if (value.isNone() || (value.isTensor() && !value.toTensor().defined())) {
      nodes_ += "\"type\":\"none\",\"constant\":null";
    } else if (value.isBool()) {
      nodes_ += std::string("\"type\":\"bool\",\"constant\":") + (value.toBool() ? "true" : "false");
    } else if (value.isInt()) {
      nodes_ += "\"type\":\"int\",\"constant\":" + std::to_string(value.toInt());
    } else if (value.isDouble()) {
      nodes_ += "\"type\":\"float\",\"constant\":";
      append_double(value.toDouble());
    } else if (value.isString()) {
      nodes_ += "\"type\":\"string\",\"constant\":";
      append_string(nodes_, value.toStringRef());
    } else if (value.isDevice()) {
      nodes_ += "\"type\":\"string\",\"constant\":";
      append_string(nodes_, value.toDevice().str());
    } else if (value.isList()) {
      nodes_ += "\"list\":[";
      const auto items = value.toListRef();
      for (size_t i = 0; i < items.size(); ++i) {
        nodes_ += i > 0 ? ",{" : "{";
        append_constant(items[i]);
        nodes_ += '}';
      }
      nodes_ += ']';
    } else {
      throw error(ErrorKind::Snapshot, "export: found a constant of type ", value.tagKind(), ", which the graph cannot hold.");
    }
  }

  /// 17 digits give the same double back; JSON has no infinities, so that those travel as strings.
  void append_double(double value) {
    if (std::isnan(value)) {
      nodes_ += "\"NaN\"";
    } else if (std::isinf(value)) {
      nodes_ += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    } else {
      char text[32];
      std::snprintf(text, sizeof text, "%.17g", value);
      nodes_ += text;
    }
  }

  jit::Graph& graph_;
  const jit::Module& self_;
  const BatchFactors& batch_;
  std::unordered_map<const jit::Value*, int64_t> ids_;
  std::unordered_map<const jit::Value*, std::string> paths_;
  std::unordered_map<const jit::Value*, std::vector<jit::Value*>> lists_;
  std::map<std::string, bool> names_;
  std::vector<std::pair<std::string, torch::Tensor>> tensors_;
  std::string nodes_, parameters_, types_;
  int64_t constants_ = 0;
};

}  // namespace

TracedGraph write_graph_json(jit::Graph& graph, const jit::Module& self, const BatchFactors& batch) {
  return Writer(graph, self, batch).write();
}

}  // namespace trivium::exporting

#include "dispatch/operator.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/error.h"

namespace trivium::dispatch {
namespace {

struct Table {
  std::mutex mutex;
  std::unordered_map<std::string, size_t> index;
  std::vector<c10::OperatorHandle> handles;
};

Table& table() {
  static Table* instance = new Table();  // never destroyed: worker threads may outlive static destructors
  return *instance;
}

c10::OperatorHandle handle_at(size_t handle) {
  auto& known = table();
  const std::lock_guard lock(known.mutex);
  return known.handles.at(handle);
}

std::string overloads_of(const std::string& base) {
  std::string found;
  for (const auto& name : c10::Dispatcher::singleton().getAllOpNames())
    if (name.name == base) found += (found.empty() ? "" : ", ") + c10::toString(name);
  return found;
}

}  // namespace

size_t resolve(const std::string& name) {
  auto& known = table();
  const std::lock_guard lock(known.mutex);
  if (const auto found = known.index.find(name); found != known.index.end()) return found->second;
  const auto dot = name.find('.');
  const std::string base = name.substr(0, dot);
  const std::string overload = dot == std::string::npos ? "" : name.substr(dot + 1);
  const auto handle = c10::Dispatcher::singleton().findSchema({base, overload});
  if (!handle) {
    const std::string others = overloads_of(base);
    throw error(ErrorKind::Binding, "unknown operator \"", name, "\". ",
                others.empty() ? "Expected an ATen operator such as \"aten::add.Tensor\"" : "Overloads that exist: " + others);
  }
  if (handle->schema().is_mutable()) {
    throw error(ErrorKind::Binding, "operator \"", name, "\" writes into its arguments, which autograd and shared views do not survive unseen. ",
                "Expected a functional one: the name without the underscore, or without out");
  }
  known.handles.push_back(*handle);
  return known.index[name] = known.handles.size() - 1;
}

const c10::FunctionSchema& schema(size_t handle) { return handle_at(handle).schema(); }

void call(size_t handle, torch::jit::Stack& stack) { handle_at(handle).callBoxed(stack); }

std::vector<std::string> names() {
  std::vector<std::string> found;
  for (const auto& name : c10::Dispatcher::singleton().getAllOpNames()) {
    if (name.name.rfind("aten::", 0) != 0) continue;
    const auto handle = c10::Dispatcher::singleton().findSchema(name);
    if (handle && !handle->schema().is_mutable()) found.push_back(c10::toString(name));
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace trivium::dispatch

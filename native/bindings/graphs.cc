// CUDA graphs of a training step's pass: every call runs on the engine thread, between the jobs that were asked for before and after.
#include "bindings/convert.h"
#include "bindings/environment.h"
#include "bindings/register.h"
#include "core/device.h"
#include "core/error.h"
#include "core/step_graph.h"

namespace trivium::bindings {
namespace {

class GraphWrap : public Napi::ObjectWrap<GraphWrap> {
 public:
  explicit GraphWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<GraphWrap>(info) {}

  static std::shared_ptr<StepGraph> of(const Napi::Value& value) {
    if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(Environment::of(value.Env()).graph_class.Value()))
      throw error(ErrorKind::Binding, "expected a CUDA graph");
    return Unwrap(value.As<Napi::Object>())->graph;
  }

  std::shared_ptr<StepGraph> graph;
};

// createGraph(device)
Napi::Value create_graph(const Napi::CallbackInfo& info) {
  auto graph = std::make_shared<StepGraph>(parse_device(to_string(info[0], "device")));
  const auto object = Environment::of(info.Env()).graph_class.New({});
  GraphWrap::Unwrap(object)->graph = std::move(graph);
  return object;
}

// f(graph) → Promise<void>
template <void (StepGraph::*Step)()>
Napi::Value call(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).engine.submit(info.Env(), 0, [graph = GraphWrap::of(info[0])] {
    ((*graph).*Step)();
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

// graphBegin(graph, sharing | null) → Promise<void>
Napi::Value begin(const Napi::CallbackInfo& info) {
  auto sharing = info[1].IsNull() ? nullptr : GraphWrap::of(info[1]);
  return Environment::of(info.Env()).engine.submit(info.Env(), 0, [graph = GraphWrap::of(info[0]), sharing] {
    graph->begin_capture(sharing.get());
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

}  // namespace

void register_graphs(Napi::Env env, Napi::Object exports) {
  Environment::of(env).graph_class = Napi::Persistent(GraphWrap::DefineClass(env, "NativeGraph", {}));
  export_function<create_graph>(env, exports, "createGraph");
  export_function<call<&StepGraph::enter>>(env, exports, "graphEnter");
  export_function<call<&StepGraph::leave>>(env, exports, "graphLeave");
  export_function<begin>(env, exports, "graphBegin");
  export_function<call<&StepGraph::end_capture>>(env, exports, "graphEnd");
  export_function<call<&StepGraph::abandon>>(env, exports, "graphAbandon");
  export_function<call<&StepGraph::replay>>(env, exports, "graphReplay");
  export_function<call<&StepGraph::reset>>(env, exports, "graphReset");
}

}  // namespace trivium::bindings

// Tracing for ONNX and TorchScript, on the engine thread.
#include "bindings/convert.h"
#include "bindings/environment.h"
#include "bindings/module.h"
#include "bindings/register.h"
#include "export/trace.h"

namespace trivium::bindings {
namespace {

struct Traceable {
  std::shared_ptr<torch::nn::Module> module;
  exporting::Forward forward;
};

Traceable traceable(const Napi::Value& value) {
  const auto module = ModuleWrap::of(value, "network").module;
  if (const auto classifier = std::dynamic_pointer_cast<nn::Classifier>(module))
    return {module, [classifier](const torch::Tensor& images) { return classifier->forward(images); }};
  const auto mapping = ModuleWrap::of(value, "network").mapping();
  return {module, [mapping](const torch::Tensor& input) { return std::vector<torch::Tensor>{mapping->forward(input)}; }};
}

// traceModule(module, example) → Promise<{json, parameters: [[name, handle]]}>
Napi::Value trace(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [network = traceable(info[0]), example = unwrap_tensor(info[1], "example")] {
        return Queue::Resolve([graph = exporting::trace(*network.module, network.forward, example)](Napi::Env env) -> Napi::Value {
          auto object = Napi::Object::New(env);
          object.Set("json", graph.json);
          object.Set("parameters", from_named_tensors(env, graph.parameters));
          return object;
        });
      });
}

// saveTorchScript(module, example, path, {name: content}) → Promise<void>
Napi::Value save_torchscript(const Napi::CallbackInfo& info) {
  const auto files = to_string_map(info[3], "extra files");
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [network = traceable(info[0]), example = unwrap_tensor(info[1], "example"),
                                     path = to_string(info[2], "path"),
                                     extra = std::vector<std::pair<std::string, std::string>>(files.begin(), files.end())] {
        exporting::save_torchscript(*network.module, network.forward, example, path, extra);
        return Queue::Resolve([](Napi::Env env) { return env.Undefined(); });
      });
}

}  // namespace

void register_exporting(Napi::Env env, Napi::Object exports) {
  export_function<trace>(env, exports, "traceModule");
  export_function<save_torchscript>(env, exports, "saveTorchScript");
}

}  // namespace trivium::bindings

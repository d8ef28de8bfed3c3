// safetensors files, read and written on the engine thread.
#include "bindings/convert.h"
#include "bindings/environment.h"
#include "bindings/register.h"
#include "snapshot/safetensors.h"

namespace trivium::bindings {
namespace {

// readSafetensors(path) → Promise<{tensors: [[name, handle]], metadata}>
Napi::Value read(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).engine.submit(info.Env(), 0, [path = to_string(info[0], "path")] {
    return Queue::Resolve([file = snapshot::load_safetensors(path)](Napi::Env env) -> Napi::Value {
      auto object = Napi::Object::New(env);
      object.Set("tensors", from_named_tensors(env, file.tensors));
      auto metadata = Napi::Object::New(env);
      for (const auto& [key, value] : file.metadata) metadata.Set(key, value);
      object.Set("metadata", metadata);
      return object;
    });
  });
}

// writeSafetensors(path, [[name, handle]], metadata) → Promise<void>
Napi::Value write(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [path = to_string(info[0], "path"), tensors = to_named_tensors(info[1], "tensors"),
                                     metadata = to_string_map(info[2], "metadata")] {
        snapshot::save_safetensors(path, tensors, metadata);
        return Queue::Resolve([](Napi::Env env) { return env.Undefined(); });
      });
}

}  // namespace

void register_snapshots(Napi::Env env, Napi::Object exports) {
  export_function<read>(env, exports, "readSafetensors");
  export_function<write>(env, exports, "writeSafetensors");
}

}  // namespace trivium::bindings

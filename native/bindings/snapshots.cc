// safetensors files, read and written on the engine thread.
#include <cmath>

#include "bindings/convert.h"
#include "bindings/environment.h"
#include "bindings/register.h"
#include "core/device.h"
#include "core/error.h"
#include "snapshot/safetensors.h"
#include "snapshot/stored_tensors.h"

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

uint64_t to_place(const Napi::Value& value) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number <= 9007199254740991.0 && number == std::floor(number)))
    throw error(ErrorKind::Binding, "expected a place in a file as a whole number");
  return static_cast<uint64_t>(number);
}

// readTensors(path, [[offset, bytes]], [{name, dtype, storage, first, shape, strides}]) → Promise<[[name, handle]]>
Napi::Value read_stored(const Napi::CallbackInfo& info) {
  std::vector<snapshot::StoredBytes> storages;
  const auto places = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < places.Length(); ++i) {
    const auto pair = places.Get(i).As<Napi::Array>();
    storages.push_back({to_place(pair.Get(0u)), to_place(pair.Get(1u))});
  }
  std::vector<snapshot::StoredTensor> tensors;
  const auto records = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i < records.Length(); ++i) {
    const auto record = records.Get(i).As<Napi::Object>();
    tensors.push_back({to_string(record.Get("name"), "name"), parse_dtype(to_string(record.Get("dtype"), "dtype")),
                       to_place(record.Get("storage")), static_cast<int64_t>(to_place(record.Get("first"))),
                       to_shape(record.Get("shape"), "shape"), to_shape(record.Get("strides"), "strides")});
  }
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [path = to_string(info[0], "path"), storages = std::move(storages), tensors = std::move(tensors)] {
        return Queue::Resolve([loaded = snapshot::load_stored_tensors(path, storages, tensors)](Napi::Env env) -> Napi::Value {
          return from_named_tensors(env, loaded);
        });
      });
}

}  // namespace

void register_snapshots(Napi::Env env, Napi::Object exports) {
  export_function<read>(env, exports, "readSafetensors");
  export_function<read_stored>(env, exports, "readTensors");
  export_function<write>(env, exports, "writeSafetensors");
}

}  // namespace trivium::bindings

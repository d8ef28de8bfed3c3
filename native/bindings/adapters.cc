// Adapters, freezing, and the parts of a backbone by depth.
#include "nn/adapters/attach.h"

#include "bindings/convert.h"
#include "bindings/environment.h"
#include "bindings/module.h"
#include "bindings/register.h"
#include "nn/freeze.h"
#include "nn/tree_mutex.h"

namespace trivium::bindings {
namespace {

Queue::Resolve nothing() {
  return [](Napi::Env env) { return env.Undefined(); };
}

std::vector<std::string> to_strings(const Napi::Value& value, const char* what) {
  std::vector<std::string> strings;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) strings.push_back(to_string(array.Get(i), what));
  return strings;
}

Napi::Array from_strings(Napi::Env env, const std::vector<std::string>& strings) {
  auto array = Napi::Array::New(env, strings.size());
  for (uint32_t i = 0; i < strings.size(); i++) array.Set(i, strings[i]);
  return array;
}

/// Runs `change` of the backbone on the engine thread, between the steps that were asked for before and after.
template <typename Change>
Napi::Value on_backbone(const Napi::CallbackInfo& info, Change change) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), kModeGrad, [backbone = ModuleWrap::of(info[0], "network").backbone(), change = std::move(change)] {
        return change(*backbone);
      });
}

// moduleAttachAdapters(module, owner, options, loraTargets) → Promise<void>
Napi::Value attach(const Napi::CallbackInfo& info) {
  return on_backbone(info, [options = to_options(to_string(info[1], "owner"), info[2]),
                            targets = to_strings(info[3], "lora_targets")](nn::Backbone& backbone) {
    nn::attach_adapters(backbone, options, targets);
    return nothing();
  });
}

// moduleMergeAdapters(module) → Promise<number>: layers merged by this call
Napi::Value merge(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).engine.submit(info.Env(), 0, [module = ModuleWrap::of(info[0], "network").module] {
    return Queue::Resolve([count = nn::merge_adapters(*module)](Napi::Env env) {
      return Napi::Number::New(env, static_cast<double>(count));
    });
  });
}

// moduleUnmergeAdapters(module) → Promise<void>
Napi::Value unmerge(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).engine.submit(info.Env(), 0, [module = ModuleWrap::of(info[0], "network").module] {
    nn::unmerge_adapters(*module);
    return nothing();
  });
}

// moduleUnloadAdapters(module) → Promise<void>
Napi::Value unload(const Napi::CallbackInfo& info) {
  return on_backbone(info, [](nn::Backbone& backbone) {
    nn::unload_adapters(backbone);
    return nothing();
  });
}

// moduleAdapterNames(module) → string[]
Napi::Value adapter_names(const Napi::CallbackInfo& info) {
  const std::lock_guard<std::mutex> lock(nn::tree_mutex());
  return from_strings(info.Env(), nn::adapter_names(*ModuleWrap::of(info[0], "network").module));
}

// moduleFreeze(module, stages | null, patterns) → Promise<string[]>: names that are no longer trainable
Napi::Value freeze(const Napi::CallbackInfo& info) {
  nn::FreezeOptions options;
  if (!info[1].IsNull()) options.stages = info[1].As<Napi::Number>().Int64Value();
  options.patterns = to_strings(info[2], "freeze.patterns");
  return on_backbone(info, [options](nn::Backbone& backbone) {
    return Queue::Resolve([names = nn::freeze(backbone, options)](Napi::Env env) { return from_strings(env, names); });
  });
}

// moduleSetTrainable(module, names, flag) → Promise<void>
Napi::Value set_trainable(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), kModeGrad, [module = ModuleWrap::of(info[0], "network").module, names = to_strings(info[1], "names"),
                                             flag = info[2].As<Napi::Boolean>().Value()] {
        nn::set_trainable(*module, names, flag);
        return nothing();
      });
}

Napi::Array parts_of(Napi::Env env, const std::vector<std::vector<std::string>>& parts) {
  auto array = Napi::Array::New(env, parts.size());
  for (uint32_t i = 0; i < parts.size(); i++) array.Set(i, from_strings(env, parts[i]));
  return array;
}

// moduleDepth(module) → {layers, stages}: prefixes of tensor names by depth
Napi::Value depth(const Napi::CallbackInfo& info) {
  const auto backbone = ModuleWrap::of(info[0], "network").backbone();
  auto object = Napi::Object::New(info.Env());
  object.Set("layers", parts_of(info.Env(), backbone->layers()));
  object.Set("stages", parts_of(info.Env(), backbone->stages()));
  return object;
}

}  // namespace

void register_adapters(Napi::Env env, Napi::Object exports) {
  export_function<attach>(env, exports, "moduleAttachAdapters");
  export_function<merge>(env, exports, "moduleMergeAdapters");
  export_function<unmerge>(env, exports, "moduleUnmergeAdapters");
  export_function<unload>(env, exports, "moduleUnloadAdapters");
  export_function<adapter_names>(env, exports, "moduleAdapterNames");
  export_function<freeze>(env, exports, "moduleFreeze");
  export_function<set_trainable>(env, exports, "moduleSetTrainable");
  export_function<depth>(env, exports, "moduleDepth");
}

}  // namespace trivium::bindings

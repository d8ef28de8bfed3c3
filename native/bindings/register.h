// Each file of this folder adds its functions and classes to the addon's exports.
#pragma once

#include <napi.h>

#include "bindings/errors.h"

namespace trivium::bindings {

void register_tensor(Napi::Env env, Napi::Object exports);
void register_operators(Napi::Env env, Napi::Object exports);
void register_losses(Napi::Env env, Napi::Object exports);
void register_modules(Napi::Env env, Napi::Object exports);
void register_optimizers(Napi::Env env, Napi::Object exports);
void register_graphs(Napi::Env env, Napi::Object exports);
void register_augmentation(Napi::Env env, Napi::Object exports);
void register_data(Napi::Env env, Napi::Object exports);
void register_snapshots(Napi::Env env, Napi::Object exports);
void register_exporting(Napi::Env env, Napi::Object exports);
void register_system(Napi::Env env, Napi::Object exports);

/// exports[name] = function; what it throws becomes a JavaScript exception of the right kind.
template <Napi::Value (*Function)(const Napi::CallbackInfo&)>
void export_function(Napi::Env env, Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New(
                        env, [](const Napi::CallbackInfo& info) { return guarded(info.Env(), [&] { return Function(info); }); }, name));
}

}  // namespace trivium::bindings

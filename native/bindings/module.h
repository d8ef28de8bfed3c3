// The network handle that other bindings take: a backbone, a head, or a classifier.
#pragma once

#include <napi.h>

#include <memory>

#include "nn/registry.h"

namespace trivium::bindings {

class ModuleWrap : public Napi::ObjectWrap<ModuleWrap> {
 public:
  explicit ModuleWrap(const Napi::CallbackInfo& info);

  /// Throws BindingError when `value` is not a network handle or was disposed.
  static ModuleWrap& of(const Napi::Value& value, const char* what);
  static Napi::Value make(Napi::Env env, std::shared_ptr<torch::nn::Module> module);

  std::shared_ptr<torch::nn::Module> module;
  std::shared_ptr<nn::Module> mapping() const;       // a backbone or a head
  std::shared_ptr<nn::Backbone> backbone() const;    // throws when it is not one
  std::shared_ptr<nn::Classifier> classifier() const;
};

/// The functions of adapters.cc, which register_modules adds to its own.
void register_adapters(Napi::Env env, Napi::Object exports);

}  // namespace trivium::bindings

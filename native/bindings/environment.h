// What the addon keeps for one JavaScript environment (the main thread, or one worker thread). Nothing is static: a constructor
// reference shared between environments crashes once a worker has ended.
#pragma once

#include <napi.h>

#include <memory>

#include "bindings/queue.h"

namespace trivium::bindings {

struct Environment {
  explicit Environment(Napi::Env env);

  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  Queue engine;        // networks, gradients, optimizers, snapshots
  Queue augmentation;  // batches made beside a training step; one thread, so that it does not fight the engine for cores
  std::shared_ptr<int64_t> live_tensors = std::make_shared<int64_t>(0);

  Napi::FunctionReference module_class;
  Napi::FunctionReference optimizer_class;
  Napi::FunctionReference average_class;
  Napi::FunctionReference graph_class;
  Napi::FunctionReference plan_class;
  Napi::FunctionReference lock_class;
  Napi::FunctionReference pack_class;
};

}  // namespace trivium::bindings

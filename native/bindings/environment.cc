#include "bindings/environment.h"

namespace trivium::bindings {

Environment::Environment(Napi::Env env) : engine(env, "trivium engine", 0), augmentation(env, "trivium augmentation", 1) {
  // Instance data is freed after the thread-safe functions are gone; the threads must end before.
  env.AddCleanupHook([this] {
    engine.stop();
    augmentation.stop();
  });
}

}  // namespace trivium::bindings

#include <napi.h>

#include "bindings/environment.h"
#include "bindings/register.h"
#include "core/allocator.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  using namespace trivium::bindings;
  trivium::tune_allocator();
  env.SetInstanceData(new Environment(env));
  register_tensor(env, exports);
  register_operators(env, exports);
  register_losses(env, exports);
  register_modules(env, exports);
  register_optimizers(env, exports);
  register_graphs(env, exports);
  register_augmentation(env, exports);
  register_data(env, exports);
  register_snapshots(env, exports);
  register_exporting(env, exports);
  register_system(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(trivium, initialise)

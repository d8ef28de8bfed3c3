// Losses with a kernel of their own.
#include "bindings/convert.h"
#include "bindings/register.h"
#include "core/mode.h"
#include "kernels/supcon.h"

namespace trivium::bindings {
namespace {

// supconLoss(embeddings, labels, temperature, memory | null, memoryLabels | null, tile, mode) → scalar
Napi::Value supcon_loss(const Napi::CallbackInfo& info) {
  const ModeGuard guard(to_mode(info[6]));
  kernels::ContrastMemory memory;
  if (!info[3].IsNull()) memory = {unwrap_tensor(info[3], "memory"), unwrap_tensor(info[4], "labels of the memory")};
  const double temperature = info[2].As<Napi::Number>().DoubleValue();
  const int64_t tile = info[5].As<Napi::Number>().Int64Value();
  return wrap_tensor(info.Env(), kernels::supcon_loss(unwrap_tensor(info[0], "embeddings"), unwrap_tensor(info[1], "labels"), temperature,
                                                      memory, tile));
}

}  // namespace

void register_losses(Napi::Env env, Napi::Object exports) { export_function<supcon_loss>(env, exports, "supconLoss"); }

}  // namespace trivium::bindings
